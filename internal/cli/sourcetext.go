package cli

import (
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
)

// shippedText tells what a plan ships, and the names of what is held back.
func shippedText(b *strings.Builder, p *slipway.Plan) {
	if p.Shipped == nil {
		return
	}
	fmt.Fprintf(b, "source: %s, %s", plural(p.Shipped.Files, "file"), sizeText(p.Shipped.Bytes))
	for _, e := range p.Effects {
		if output, _ := e.Params["prebuilt"].(string); output != "" {
			fmt.Fprintf(b, ", prebuilt (%s)", oneLine(output))
		}
	}
	b.WriteString("\n")
	switch {
	case p.Shipped.Git != nil:
		fmt.Fprintf(b, "commit: %s\n", oneLine(p.Shipped.Git.String()))
	case p.Shipped.GitUnread != "":
		fmt.Fprintf(b, "commit: not recorded: %s\n", p.Shipped.GitUnread)
	}
	if n := p.Shipped.HeldBack; n > 0 {
		fmt.Fprintf(b, "held back: %s that look like credentials\n", plural(n, "path"))
		for _, name := range p.Shipped.Held {
			fmt.Fprintf(b, "  %s\n", oneLine(name))
		}
		if more := n - len(p.Shipped.Held); more > 0 {
			fmt.Fprintf(b, "  and %d more\n", more)
		}
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

const units = "kMGTPE"

// sizeText is a number of bytes as people read it, in powers of 1000.
func sizeText(n int64) string {
	if n < 1000 {
		return plural(int(n), "byte")
	}
	size, unit := float64(n)/1000, 0
	for ; size >= 1000 && unit < len(units)-1; unit++ {
		size /= 1000
	}
	return fmt.Sprintf("%.1f %cB", size, units[unit])
}
