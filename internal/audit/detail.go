package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// ReportVote is one person's yes, or what opened a gate without anybody.
type ReportVote struct {
	Name      string    `json:"name"`
	How       string    `json:"how"`
	Witnessed bool      `json:"witnessed"` // a key that is known here has signed it, or the policy's rules have opened the gate
	Rules     []string  `json:"rules,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Typed     []string  `json:"typed,omitempty"` // names of what dies
	At        time.Time `json:"at,omitzero"`
}

// ReportOutput is the end of what a verification has printed. The whole of it is an entry of the bundle.
type ReportOutput struct {
	Entry string   `json:"entry"`
	Lines int64    `json:"lines"` // of the whole
	End   []string `json:"end"`
}

// byRules is how a gate is opened without anybody.
const byRules = "nobody: the policy's rules opened the gate"

// Row is a line of a summary.
type Row struct{ Name, Text string }

func (b *reading) reportApproval(a slipway.Approval) ReportApproval {
	x := ReportApproval{
		Gate: string(a.Gate), State: string(a.State), How: a.How, Reason: a.Reason, Subject: a.Subject, At: a.DecidedAt, Asked: a.CreatedAt, Expires: a.ExpiresAt,
		Policy: a.Policy, Need: a.Need, Differs: append(slices.Clone(a.Void), a.Differs...),
	}
	if a.By != nil {
		x.By = a.By.Name
	}
	for _, v := range a.Votes {
		x.Votes = append(x.Votes, fmt.Sprintf("%s (%s%s)%s", v.By.Name, v.Proof, joined(" ", v.Key), joined(", by ", strings.Join(v.Rules, ", "))))
		x.Given = append(x.Given, b.reportVote(a, v))
	}
	if a.By != nil && (len(a.Votes) == 0 || a.State == slipway.ApprovalRejected) {
		x.Given = append(x.Given, ReportVote{Name: a.By.Name, How: a.How, Reason: a.Reason, At: a.DecidedAt})
	}
	for i, sum := range b.digests {
		if a.Content["plan"] != sum {
			continue
		}
		x.Revision = i + 1
		for _, c := range a.Consequences(b.plans[i]) {
			x.Means = append(x.Means, c.Effect+": "+c.Means)
		}
		break
	}
	for _, name := range slices.Sorted(maps.Keys(a.Content)) {
		if name != "gate" && name != "plan" && name != "policy" {
			x.Shown = append(x.Shown, name+": "+contentText(a.Content[name]))
		}
	}
	return x
}

func (b *reading) reportVote(a slipway.Approval, v slipway.Vote) ReportVote {
	x := ReportVote{Name: v.By.Name, How: v.How, Rules: v.Rules, Reason: v.Reason, Typed: v.Confirm, At: v.At}
	switch {
	case byPolicy(a):
		x.How, x.Witnessed = byRules, true
	case v.Key != "" && slices.Contains(b.known, a.ID+" "+v.Key):
		x.How, x.Witnessed = "signed with the key "+v.Key+", which is trusted here", true
		if slipway.Person(b.holder(v)) != slipway.Person(v.By.Name) {
			x.How += " as " + b.holder(v)
		}
	case v.Key != "":
		x.How = "signed with the key " + v.Key + ", which is not trusted here"
	case v.Proof == slipway.ProofOSUser:
		x.How = v.How + ": whoever ran as that user"
	}
	return x
}

// contentText is a value that an approver was shown, in one line.
func contentText(v any) string {
	switch v := v.(type) {
	case nil:
		return "not known then"
	case string:
		if v == "" {
			return "none"
		}
		return v
	case []any:
		if len(v) == 0 {
			return "none"
		}
		var all []string
		for _, one := range v {
			all = append(all, contentText(one))
		}
		return strings.Join(all, ", ")
	}
	raw, err := canonical(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

// resultLines tells how a check went, a line each: commands, probes and the checks of the commit.
func resultLines(s slipway.Step) (lines []string) {
	var found struct {
		slipway.JobResult
		Probes []slipway.ProbeResult `json:"probes"`
		Checks []slipway.CommitCheck `json:"checks"`
	}
	raw, err := json.Marshal(s.Basis)
	if err != nil || json.Unmarshal(raw, &found) != nil {
		return nil
	}
	for _, c := range found.Commands {
		how := fmt.Sprintf("exit code %d", c.Exit)
		if c.End != slipway.JobExited {
			how = "ended: " + string(c.End)
		}
		lines = append(lines, fmt.Sprintf("$ %s: %s, %v", slipway.CommandLine(c.Argv), how, time.Duration(c.Took)*time.Millisecond))
	}
	if found.Isolation.Backend != "" {
		lines = append(lines, "by "+found.Isolation.String())
	}
	for _, p := range found.Probes {
		lines = append(lines, fmt.Sprintf("GET %s%s: %s, %d after %d ms, attempt %d", p.URL, p.Path, p.Outcome, p.Status, p.Millis, p.Attempts))
	}
	for _, c := range found.Checks {
		lines = append(lines, c.String())
	}
	return lines
}

// outputEnd bounds what a report shows of an output: bytes of its end, lines of that, and characters of a line.
const outputEnd, outputLines, outputWidth = 64 << 10, 40, 500

// output reads the end of what a step has printed; nil where it has printed nothing. What cannot be read as lines is named alone.
func (b *reading) output(s slipway.Step) *ReportOutput {
	name, ok := s.Basis["transcript"].(string)
	hash, isDigest := strings.CutPrefix(name, "sha256:")
	e, there := b.byName[fmt.Sprintf(nameTranscript, hash)]
	if !ok || !isDigest || !there {
		return nil
	}
	out := &ReportOutput{Entry: e.name}
	var head struct{ Lines int64 }
	first, err := bufio.NewReader(b.archive.open(e)).ReadBytes('\n')
	if err != nil || json.Unmarshal(first, &head) != nil {
		return out
	}
	out.Lines = head.Lines
	from := max(int64(len(first)), e.size-outputEnd)
	data := make([]byte, e.size-from)
	if _, err := b.archive.open(e).ReadAt(data, from); err != nil && !errors.Is(err, io.EOF) {
		return out
	}
	for line := range bytes.Lines(data) {
		var l slipway.LogLine
		if json.Unmarshal(line, &l) != nil {
			continue // the first may be cut
		}
		text := []rune(l.Text)
		if len(text) > outputWidth {
			text = append(text[:outputWidth], '…')
		}
		if l.Stream == "command" {
			text = append([]rune("$ "), text...)
		}
		out.End = append(out.End, string(text))
	}
	out.End = out.End[max(0, len(out.End)-outputLines):]
	return out
}

// Short answers in a line each what somebody asks first.
func (r Report) Short() []Row {
	asked := timeText(r.Created)
	var gates []string
	for _, a := range r.Approvals {
		if a.State != string(slipway.ApprovalRequested) || len(a.Given) > 0 {
			gates = append(gates, a.Gate+" "+a.Answer())
		}
	}
	if len(gates) == 0 {
		gates = []string{"nothing was decided"}
	}
	return []Row{
		{"Asked for", fmt.Sprintf("%s, by %s", asked, r.Requester)},
		{"Approved", strings.Join(gates, "; ")},
		{"Done", r.doneText()},
		{"Verified", r.checksText()},
		{"Only asserted", fmt.Sprintf("%d things stand on somebody's word: they are named below", len(r.Asserted))},
	}
}

// Answer is what became of a request for an approval, in words.
func (a ReportApproval) Answer() string {
	var names []string
	for _, v := range a.Given {
		proof := "asserted"
		if v.Witnessed {
			proof = "witnessed"
		}
		if v.How == byRules {
			names = append(names, "the policy's rules")
			continue
		}
		names = append(names, v.Name+" ("+proof+")")
	}
	by, before := joined(" by ", strings.Join(names, " and ")), ""
	if len(names) > 0 {
		before = "approved" + by + ", then "
	}
	switch slipway.ApprovalState(a.State) {
	case slipway.ApprovalRequested:
		if a.Need > len(a.Given) && len(a.Given) > 0 {
			return fmt.Sprintf("approved%s, and waits for %d more", by, a.Need-len(a.Given))
		}
		return "waits for an answer"
	case slipway.ApprovalApproved:
		return "approved" + by + ", not used yet"
	case slipway.ApprovalConsumed:
		return "approved" + by
	case slipway.ApprovalRejected:
		return "rejected" + by
	case slipway.ApprovalVoided:
		return before + "void: it was no longer what had been asked"
	case slipway.ApprovalExpired:
		return before + "expired before it was used"
	case slipway.ApprovalSuperseded:
		return before + "closed: the run ended before it was used"
	}
	return a.State
}

func (r Report) doneText() string {
	made, byHand, asserted, failed, open := 0, 0, 0, 0, 0
	for i, p := range r.Plans {
		for _, s := range p.Steps {
			switch {
			case s.Check:
			case s.State == string(slipway.StepFailed):
				failed++
			case s.State != string(slipway.StepDone):
				if i == len(r.Plans)-1 {
					open++
				}
			case s.Asserted:
				asserted++
			case s.Mode == string(slipway.ModeManual):
				byHand++
			default:
				made++
			}
		}
	}
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{made, "by Slipway"}, {byHand, "by hand, observed"}, {asserted, "by hand, only asserted"}, {failed, "failed"}, {open, "not done"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return "changes: " + strings.Join(parts, "; ")
}

func (r Report) checksText() string {
	all, passed := 0, 0
	if len(r.Plans) > 0 {
		for _, s := range r.Plans[len(r.Plans)-1].Steps {
			if s.Check {
				if all++; s.State == string(slipway.StepDone) {
					passed++
				}
			}
		}
	}
	if all == 0 {
		return "the plan has no checks"
	}
	return fmt.Sprintf("%d of %d checks passed", passed, all)
}

// timeText is a time for a person.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
