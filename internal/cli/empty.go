package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slipway-dev/slipway"
)

// mayBeEmpty marks a flag to which an empty value means something.
const mayBeEmpty = "slipway_may_be_empty"

// notEmpty refuses an empty word, which a script's variable gives that is not set: --plan "$DIGEST" must not ship any plan, nor rollback "$ID" move
// production to what is proposed where nothing is named.
func notEmpty(c *cobra.Command, args []string) error {
	const hint = "give it a value or leave it out: a variable of a script that is not set looks like this"
	if slices.Contains(args, "") {
		return slipway.Errorf(slipway.CodeInvalid, "an argument is empty").WithHint("%s", hint)
	}
	var empty []string
	c.Flags().Visit(func(f *pflag.Flag) {
		list, ok := f.Value.(pflag.SliceValue)
		if _, may := f.Annotations[mayBeEmpty]; !may && (f.Value.String() == "" || ok && (len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), ""))) {
			empty = append(empty, "--"+f.Name)
		}
	})
	if len(empty) > 0 {
		return slipway.Errorf(slipway.CodeInvalid, "%s is empty", empty[0]).WithHint("%s", hint)
	}
	return nil
}
