package policy

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// token is the next comment, text, name or number of a policy, or one other character.
var token = regexp.MustCompile(`^(?s://[^\n]*|"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|.)`)

// literal finds the number or the text that the library refuses with err, which tells no place; nil where it is none of those.
func literal(name string, text []byte, err error) *Fault {
	before, last := "", ""
	for at := 0; at < len(text); {
		t := string(token.Find(text[at:]))
		fault := &Fault{File: name, Line: 1 + bytes.Count(text[:at], []byte("\n"))}
		fault.Column = 1 + utf8.RuneCount(text[bytes.LastIndexByte(text[:at], '\n')+1:at])
		at += len(t)
		switch {
		case strings.TrimSpace(t) == "" || strings.HasPrefix(t, "//"):
			continue
		case refusedText(t, last == "like", err):
			fault.Message = fmt.Sprintf("it cannot be parsed here: %s is no text of Cedar: %s", shown(t, "this"), reasonOf(err))
			return fault
		case refusedNumber(t, last == "-" && !ends(before), err):
			fault.Message = fmt.Sprintf("it cannot be parsed here: %s is beyond the numbers of Cedar, which go from %d to %d", shown(numberOf(err), "this"), int64(-1<<63), int64(1<<63-1))
			return fault
		}
		before, last = last, t
	}
	return nil
}

// beforeOperand are the words behind which an operand is due.
var beforeOperand = []string{"if", "then", "else", "in"}

// ends reports whether an operand ends with a token: a minus behind it takes away, and is no sign.
func ends(token string) bool {
	return operandEnd.MatchString(token) && !slices.Contains(beforeOperand, token)
}

var operandEnd = regexp.MustCompile(`[)\]}"A-Za-z0-9_]$`)

// shown is t where it can stand in a message, else other.
func shown(t, other string) string {
	if !oneLine(t) || len(t) > 80 {
		return other
	}
	return t
}

// refusedText reports whether the library refuses a text with err, by itself, or as a pattern.
func refusedText(t string, pattern bool, err error) bool {
	if t[0] != '"' {
		return false
	}
	rule := "permit (principal, action, resource) when { " + t + " };"
	if pattern {
		rule = `permit (principal, action, resource) when { "" like ` + t + " };"
	}
	_, alone := parseList("", []byte(rule))
	return alone != nil && alone.Error() == err.Error()
}

func refusedNumber(t string, negative bool, err error) bool {
	if negative {
		t = "-" + t
	}
	return t == numberOf(err)
}

// numberOf is the number that err is about; "" for none.
func numberOf(err error) string {
	var n *strconv.NumError
	if !errors.As(err, &n) {
		return ""
	}
	return n.Num
}

func reasonOf(err error) string { return strings.TrimPrefix(err.Error(), "parser error: ") }
