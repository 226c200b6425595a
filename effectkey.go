package slipway

import (
	"slices"
	"strings"
)

// Ops are all that an effect can do.
var Ops = []Op{OpCreate, OpUpdate, OpAdopt, OpReplace, OpDelete, OpDeploy, OpPromote, OpRollback}

// EffectKey is the key of the effect that does op to a, and of its step.
func EffectKey(a Address, op Op) string { return string(a) + "#" + string(op) }

// CutKey tells what the effect with that key does, and to what; ok is false for the key of a check, and for one that writes down in the ledger what
// is about to be made.
func CutKey(key string) (a Address, op Op, ok bool) {
	i := strings.LastIndexByte(key, '#')
	if i < 0 {
		return "", "", false
	}
	a, op = Address(key[:i]), Op(key[i+1:])
	return a, op, slices.Contains(Ops, op)
}
