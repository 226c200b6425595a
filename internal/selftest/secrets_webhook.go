package selftest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// webhookCanaries are the secrets by which webhooks are signed.
var webhookCanaries = map[string]string{"VERCEL_WEBHOOK_SECRET": "secret of Vercel's webhooks", "GITHUB_WEBHOOK_SECRET": "secret of the other webhooks"}

// webhooks ships while messages come: right ones, the same again, forged ones, and ones that hold the secret. What they are answered is looked at.
func (s *secrets) webhooks(ctx context.Context) error {
	if err := s.edit(""); err != nil {
		return err
	}
	at := ownAddress()
	var replies []byte
	var failed error
	sent := false
	err := s.watching(func(c *emukit.Call) emukit.Action {
		if c.Phase == emukit.Before && c.API == "vercel" && c.Method == http.MethodGet && path.Dir(c.Path) == "/v13/deployments" && !sent {
			sent = true
			replies, failed = s.deliver(ctx, at, path.Base(c.Path))
		}
		return emukit.Action{}
	}, func() error {
		return s.debugging(func() error { return s.all(ctx, "ship --yes --webhooks "+at, "status --json") })
	})
	s.look(sinkReplies, "webhooks", replies)
	return errors.Join(err, failed)
}

// deliver sends messages about a deployment to a process that listens at an address, and returns the answers.
func (s *secrets) deliver(ctx context.Context, at, deployment string) (replies []byte, err error) {
	secret := s.canaries[webhookCanaries["VERCEL_WEBHOOK_SECRET"]]
	right := fmt.Sprintf(`{"type":"deployment.succeeded","createdAt":%d,"payload":{"deployment":{"id":%q}}}`, time.Now().UnixMilli(), deployment)
	for _, m := range []struct {
		path, body, signature string
		status                int
	}{
		{"vercel", right, signed(secret, right), http.StatusOK},
		{"vercel", right, signed(secret, right), http.StatusConflict},
		{"vercel", right, signed("wrong", right), http.StatusUnauthorized},
		{"vercel", right, secret, http.StatusUnauthorized},
		{"vercel", secret, signed(secret, secret), http.StatusBadRequest},
		{secret, right, "", http.StatusNotFound},
		{"github", right, secret, http.StatusUnauthorized},
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+"/webhooks/"+m.path, strings.NewReader(m.body))
		if err != nil {
			return replies, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Vercel-Signature", m.signature)
		r.Header.Set("X-Hub-Signature-256", m.signature)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return replies, err
		}
		var b bytes.Buffer
		err = errors.Join(res.Header.Write(&b), copied(&b, res.Body), res.Body.Close())
		if replies = append(replies, b.Bytes()...); err != nil {
			return replies, err
		}
		if res.StatusCode != m.status {
			return replies, fmt.Errorf("a webhook is answered %d, not %d", res.StatusCode, m.status)
		}
	}
	return replies, nil
}

func copied(to io.Writer, from io.Reader) error { _, err := io.Copy(to, from); return err }

// signed is x-vercel-signature: https://vercel.com/docs/webhooks#securing-webhooks
func signed(secret, body string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}
