package slipway_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestRemarksAreOneLineThatPrints(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, text string
		refused      bool
	}{
		"words":         {"what people write", "Ich habe es geprüft: 完成 ✓ (see #12)", false},
		"nothing":       {"a remark may be left out", "", false},
		"longest":       {"as long as may be", strings.Repeat("a", slipway.MaxRemark), false},
		"escape":        {"a terminal would obey it", "fine \x1b[2J\x1b[1;31mapproved", true},
		"C1":            {"so it would this one", "fine \u009b31m", true},
		"line break":    {"it would look like a line of ours", "fine\napproved by root", true},
		"return":        {"it would write over what stands there", "fine\rapproved", true},
		"tab":           {"it would look like another column", "a\tb", true},
		"bell":          {"a terminal rings", "a\ab", true},
		"zero":          {"C would end there", "a\x00b", true},
		"turned around": {"it would read otherwise than it is", "ok \u202egnorw", true},
		"invisible":     {"nobody would see it", "a\u200bb", true},
		"no UTF-8":      {"it has no characters", "a\xff", true},
		"too long":      {"a record is no place for a book", strings.Repeat("a", slipway.MaxRemark+1), true},
	} {
		err := slipway.Remark("--reason", tc.text)
		if (err != nil) != tc.refused {
			t.Errorf("%s: %s: %v", name, tc.reason, err)
		}
		if err != nil && (slipway.ErrorCode(err) != slipway.CodeInvalid || hintOf(err) == "" || tc.text != "" && strings.Contains(err.Error(), tc.text)) {
			t.Errorf("%s: %v, hint %q", name, err, hintOf(err))
		}
	}
}

func TestIDsAreASCIIOnOneLine(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, id string
		refused    bool
	}{
		"vercel":        {"an id of Vercel", "dpl_7Np5iUrkDYSRWfEUBxpPCzWDhW1A", false},
		"neon":          {"an id of Neon", "cool-sun-12345678", false},
		"upstash":       {"an id of Upstash", "0639864f-ece6-429c-8118-86a287b0e808", false},
		"domain":        {"a domain is its own id", "shop.example.com", false},
		"spaces":        {"two words", "cool sun", true},
		"line break":    {"pasted with the next line", "cool-sun\nbr-x", true},
		"quotes":        {"pasted with its quotes", `"cool-sun"`, true},
		"placeholder":   {"nobody has filled it", "<DB_NEON_PROJECT_ID>", true},
		"URL":           {"the address of its page", "https://console.neon.tech/app/projects/cool-sun", true},
		"path":          {"a part of that address", "projects/cool-sun", true},
		"connection":    {"a secret, and no id", "postgres://shop:hunter22@ep.example/shop", true},
		"header":        {"a secret, and no id", "Bearer abcdefgh", true},
		"assignment":    {"a line of .env", "NEON_API_KEY=abcdefgh", true},
		"token":         {"a token of Vercel's has no prefix", "d9arPB1CHDYi221dWNufexSm", true},
		"key":           {"nor has a key of Upstash", "70s2vLIAb8SVpSgboVPmsTDNMeCLXYkQ", true},
		"variable's id": {"short, and as Vercel shows it", "XMbOEya1gUUO1ir4", false},
		"look-alike":    {"a Cyrillic o", "c\u043eol-sun", true},
		"full width":    {"digits of another script", "cool-sun-１２", true},
		"zero width":    {"what nobody sees", "cool\u200b-sun", true},
		"escape":        {"a terminal would obey it", "cool\x1b[2J", true},
		"very long":     {"no id is so long", strings.Repeat("a", 129), true},
		"very long JWT": {"a token without its shape's end", strings.Repeat("eyJhbGciOi.", 200), true},
	} {
		err := slipway.CheckID("--id", tc.id)
		if (err != nil) != tc.refused {
			t.Errorf("%s: %s: %v", name, tc.reason, err)
		}
		if err != nil && (slipway.ErrorCode(err) != slipway.CodeInvalid || hintOf(err) == "" || strings.Contains(err.Error(), tc.id)) {
			t.Errorf("%s: %v, hint %q", name, err, hintOf(err))
		}
	}
}

func hintOf(err error) string {
	var e *slipway.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Hint
}

func TestNotesHoldNoKey(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, text string
		refused      bool
	}{
		"words":    {"what people write", "made it in eu-west-1, PostgreSQL 17, see OPS-1234", false},
		"camels":   {"names of code are long, too", "ran DeployV2ProductionEnvironment1 and AWSLambdaBasicExecutionRole2024", false},
		"ids":      {"an id has a prefix", "dpl_7Np5iUrkDYSRWfEUBxpPCzWDhW1A in prj_sYAOTMDQSVnAhCCsZGBSmKn8PNev", false},
		"uuid":     {"an id of Upstash", "0639864f-ece6-429c-8118-86a287b0e808", false},
		"digests":  {"hexadecimal is no key's alphabet", "9089b434a13df419a8c5a6b3eadcf23a65aca8bf SHA256", false},
		"link":     {"a page has an address", "see https://docs.example/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms", false},
		"token":    {"a token of Vercel's has no prefix", "with d9arPB1CHDYi221dWNufexSm.", true},
		"key":      {"nor has a key of Upstash", "(70s2vLIAb8SVpSgboVPmsTDNMeCLXYkQ)", true},
		"password": {"a REST token of Upstash is base64", "AvQsUUJUMpF2K2taNkejHkviZErVYPjSkzsmo2A==", true},
	} {
		err := slipway.NoKey("--note", tc.text)
		if (err != nil) != tc.refused {
			t.Errorf("%s: %s: %v", name, tc.reason, err)
		}
		if err != nil && (slipway.ErrorCode(err) != slipway.CodeInvalid || hintOf(err) == "" || strings.Contains(err.Error()+hintOf(err), tc.text)) {
			t.Errorf("%s: %v, hint %q", name, err, hintOf(err))
		}
	}
}
