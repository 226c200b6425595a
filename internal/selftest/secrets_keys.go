package selftest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// signing makes a key behind a passphrase, lets it alone approve, and approves with it. The passphrase is a canary; the private half never leaves
// the program but encrypted, so that nothing here can know it.
func (s *secrets) signing(ctx context.Context) error {
	s.canaries["password of a key"] = s.word() + " " + s.word()
	s.Env["SLIPWAY_KEY_PASSPHRASE"] = s.canaries["password of a key"]
	defer delete(s.Env, "SLIPWAY_KEY_PASSPHRASE")
	s.canaries["password of a key, the next one"] = s.word() + " " + s.word()
	s.Env["SLIPWAY_KEY_NEW_PASSPHRASE"] = s.canaries["password of a key, the next one"]
	defer delete(s.Env, "SLIPWAY_KEY_NEW_PASSPHRASE")
	if err := s.edit(""); err != nil {
		return err
	}
	if err := s.all(ctx, "policy show", "policy schema --json", "key new ada --store file --json", "key list"); err != nil {
		return err
	}
	made, err := os.ReadFile(filepath.Join(s.Home, "keys", "ada.key.json"))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(made), `"key": "`)
	public, _, _ := strings.Cut(rest, `"`)
	policy := filepath.Join(s.App, "slipway.policy")
	text := "@local_approval(\"key\") permit (principal, action in Action::\"approve\", resource);\n" +
		"permit (principal, action == Action::\"promote-with-apply\", resource);\n"
	cases := "cases: [{action: apply, principal: ada, proof: key, expect: allow}]\n"
	if err := errors.Join(os.WriteFile(policy, []byte(text), 0o600), os.WriteFile(policy+".test.yaml", []byte(cases), 0o600)); err != nil {
		return err
	}
	err = s.debugging(func() error {
		return s.all(ctx, "key trust ed25519:"+public+" --name ada", "policy test --json", "ship --yes", "approve --gate policy --json", "resume --yes",
			"approve --key ada --json", "status --json", "resume --json", "approve --key ada --json", "resume --json", "key passphrase ada")
	})
	if err = errors.Join(err, os.Remove(policy), os.Remove(policy+".test.yaml"), s.edit("")); err != nil {
		return err
	}
	s.Env["SLIPWAY_KEY_PASSPHRASE"] = s.canaries["password of a key, the next one"]
	return s.all(ctx, "ship --json", "approve --gate policy --key ada --json", "resume --json", "reject --reason enough --json", "key untrust ada --json")
}
