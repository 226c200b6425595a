package connect

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// connector tries out what answers over HTTP.
type connector struct{ config rest.Config }

// redis sends PING: https://upstash.com/docs/redis/features/restapi, and finds out whether the token may write. It tells no facts.
func (c connector) redis(ctx context.Context, values map[string]slipway.Secret) (map[string]any, error) {
	var out struct {
		Result string `json:"result"`
	}
	if err := c.get(ctx, values, "/ping", &out); err != nil {
		return nil, err
	}
	if out.Result != "PONG" {
		return nil, notThat("PING gave another answer than PONG")
	}
	if err := c.writes(ctx, values); err != nil {
		return nil, err
	}
	return map[string]any{}, nil
}

// writes returns CodeUnauthorized for a token that may only read, which answers PING as well. It deletes a key of 128 random bits, which is not
// there: nothing changes. A read-only token is that of the ACL user default_ro (https://upstash.com/docs/redis/troubleshooting/readonly_connection),
// and a command that an ACL does not have is NOPERM with its name (https://redis.io/docs/latest/develop/reference/errors/common/noperm/; over REST:
// https://github.com/upstash/ratelimit-js/issues/18), in a pipeline as the error of that command (https://upstash.com/blog/pipeline).
// Any other answer tells nothing of the token, and passes.
func (c connector) writes(ctx context.Context, values map[string]slipway.Secret) error {
	var out []struct {
		Error string `json:"error"`
	}
	err := c.call(ctx, values, rest.Request{
		Op: "connect", Method: http.MethodPost, Path: "/pipeline", Body: [][]string{{"DEL", "slipway:check:" + rand.Text()}}, Repeatable: true,
	}, &out)
	switch {
	case slipway.ErrorCode(err) == slipway.CodeUnavailable:
		return err
	case err != nil || len(out) != 1:
		return nil
	}
	if said := strings.ToLower(out[0].Error); strings.HasPrefix(said, "noperm ") && strings.Contains(said, "'del'") {
		return slipway.Errorf(slipway.CodeUnauthorized, "the REST token may only read").WithHint("copy the one that the page calls Token, not Readonly Token")
	}
	return nil
}

// vector asks an index about itself: https://upstash.com/docs/vector/api/endpoints/info. Facts: dimensions, metric.
func (c connector) vector(ctx context.Context, values map[string]slipway.Secret) (map[string]any, error) {
	var out struct {
		Result struct {
			Dimension          int64  `json:"dimension"`
			SimilarityFunction string `json:"similarityFunction"`
		} `json:"result"`
	}
	if err := c.get(ctx, values, "/info", &out); err != nil {
		return nil, err
	}
	if out.Result.SimilarityFunction == "" {
		return nil, notThat("/info tells no dimension and no metric")
	}
	return map[string]any{"dimensions": out.Result.Dimension, "metric": strings.ToLower(out.Result.SimilarityFunction)}, nil
}

func notThat(what string) error {
	return slipway.Errorf(slipway.CodeCheckFailed, "%s", what).WithHint("see whether the URL is this store's, and not another's")
}

// get reads path of the store at rest_url with rest_token.
func (c connector) get(ctx context.Context, values map[string]slipway.Secret, path string, out any) error {
	return c.call(ctx, values, rest.Request{Op: "connect", Method: http.MethodGet, Path: path}, out)
}

// call sends a request to the store at rest_url with rest_token.
func (c connector) call(ctx context.Context, values map[string]slipway.Secret, request rest.Request, out any) error {
	base, token := strings.TrimSuffix(values["rest_url"].Reveal(), "/"), values["rest_token"].Reveal()
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return slipway.Errorf(slipway.CodeCheckFailed, "the REST token can be none").WithHint("copy it again, as a whole and without spaces")
	}
	client := rest.New(c.config, rest.API{
		Name: "upstash-data", Base: base, Auth: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) },
	})
	switch err := client.Do(ctx, request, out); slipway.ErrorCode(err) {
	case "":
		return nil
	case slipway.CodeInvalid:
		return slipway.Errorf(slipway.CodeCheckFailed, "the REST URL is no https:// URL").WithHint("copy it again; its token is a value of its own")
	case slipway.CodeUnauthorized, slipway.CodeForbidden:
		return slipway.Errorf(slipway.CodeUnauthorized, "the REST token is not accepted").WithHint("copy it again; was it reset?")
	case slipway.CodeUnavailable, slipway.CodeRateLimited, slipway.CodeBusy, slipway.CodeCanceled:
		return slipway.Errorf(slipway.CodeUnavailable, "no answer from the REST URL").WithHint("see whether the URL is right, then try again")
	}
	return notThat("what answers at the REST URL is no such store")
}
