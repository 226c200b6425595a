package upstashemu

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/proto"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// newRedis returns an in-memory Redis that listens nowhere; keys expire by the clock.
func (s *Server) newRedis() *miniredis.Miniredis {
	m := miniredis.NewMiniRedis()
	if s.Now != nil {
		m.SetTime(s.Clock())
	}
	m.ClockTTL(true)
	return m
}

// serve is the Redis REST API, https://upstash.com/docs/redis/features/restapi: POST / with one command, /pipeline and
// /multi-exec with several, and the command as path segments.
func (d *database) serve(s *Server, w http.ResponseWriter, q *dataRequest) {
	s.mu.Lock()
	readOnly := q.token == d.readToken
	known := readOnly || q.token == d.token
	s.mu.Unlock()
	if !known {
		dataError(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	if s.Now != nil {
		d.redis.SetTime(s.Clock())
	}
	c, err := d.connect(q.Context(), readOnly)
	if err != nil {
		dataError(w, http.StatusServiceUnavailable, "the database is gone")
		return
	}
	defer c.Close()
	c.base64 = strings.EqualFold(q.Header.Get("Upstash-Encoding"), "base64")
	switch q.path {
	case "pipeline":
		c.pipeline(w, q)
	case "multi-exec":
		c.multiExec(w, q)
	default:
		c.single(w, q)
	}
}

// redisConn is one call's connection to its database. It is cut when the caller goes away.
type redisConn struct {
	net.Conn
	r        *bufio.Reader
	allowed  func(command string) bool
	base64   bool
	stopWait func() bool
}

func (d *database) connect(ctx context.Context, readOnly bool) (*redisConn, error) {
	conn, err := d.redis.Dial()
	if err != nil {
		return nil, err
	}
	c := &redisConn{Conn: conn, r: bufio.NewReader(conn), allowed: func(string) bool { return true }}
	c.stopWait = context.AfterFunc(ctx, func() { _ = conn.Close() })
	// A read-only token is that of an ACL user: https://upstash.com/docs/redis/troubleshooting/readonly_connection. What it may not run is NOPERM
	// with the command's name: https://redis.io/docs/latest/develop/reference/errors/common/noperm/, https://github.com/upstash/ratelimit-js/issues/18.
	if readOnly {
		c.allowed = func(command string) bool {
			return d.redis.IsReadOnlyCommand(command) || slices.Contains([]string{"PING", "ECHO", "TIME", "INFO"}, command)
		}
	}
	return c, nil
}

func (c *redisConn) Close() error {
	c.stopWait()
	return c.Conn.Close()
}

// unavailable are commands that wait, or that belong to a connection: over REST there is none.
var unavailable = []string{
	"AUTH", "BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "CLIENT", "DISCARD",
	"EXEC", "HELLO", "MULTI", "PSUBSCRIBE", "QUIT", "SELECT", "SUBSCRIBE", "SWAPDB", "UNSUBSCRIBE", "UNWATCH", "WAIT", "WATCH",
}

// check returns why a command is not run, "" when it may be.
func (c *redisConn) check(command []string) string {
	if len(command) == 0 || command[0] == "" {
		return "ERR empty command"
	}
	name := strings.ToUpper(command[0])
	blocks := (name == "XREAD" || name == "XREADGROUP") && slices.ContainsFunc(command, func(a string) bool { return strings.EqualFold(a, "BLOCK") })
	if blocks || slices.Contains(unavailable, name) {
		return fmt.Sprintf("ERR Command is not available: '%s'. See https://upstash.com/docs/redis/overall/rediscompatibility for details", name)
	}
	if !c.allowed(name) {
		return fmt.Sprintf("NOPERM this user has no permissions to run the '%s' command or its subcommand", strings.ToLower(name))
	}
	return ""
}

// redisError is an error that Redis answered with.
type redisError string

func (e redisError) Error() string { return string(e) }

var errGone = redisError("ERR the connection to the database was cut")

// do runs a command and returns its reply: nil, string, int64, []any, or redisError.
func (c *redisConn) do(command []string) any {
	if why := c.check(command); why != "" {
		return redisError(why)
	}
	return c.raw(command...)
}

func (c *redisConn) raw(command ...string) any {
	if proto.Write(c.Conn, command) != nil {
		return errGone
	}
	reply, err := readReply(c.r)
	if err != nil {
		return errGone
	}
	return reply
}

// readReply reads one RESP2 reply.
func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("empty reply")
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+':
		return text, nil
	case '-':
		return redisError(text), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || kind == ':' || n < 0 {
		return intOrNil(kind, n), err
	}
	switch kind {
	case '$':
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return string(b[:n]), err
	case '*':
		out := make([]any, n)
		for i := range out {
			if out[i], err = readReply(r); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("reply of kind %q", kind)
}

func intOrNil(kind byte, n int64) any {
	if kind == ':' {
		return n
	}
	return nil
}

// single runs one command: POST / with a JSON array, or the command in the path, to which a body is added as the last
// argument and query parameters as options.
func (c *redisConn) single(w http.ResponseWriter, q *dataRequest) {
	var command []string
	var err error
	if q.path == "" {
		command, err = parseCommand(q.body)
	} else {
		command, err = pathCommand(q)
	}
	if err != nil {
		dataError(w, http.StatusBadRequest, "ERR failed to parse command: "+err.Error())
		return
	}
	out := c.outcome(c.do(command))
	if _, failed := out["error"]; failed {
		emukit.WriteJSON(w, http.StatusBadRequest, out)
		return
	}
	emukit.WriteJSON(w, http.StatusOK, out)
}

func pathCommand(q *dataRequest) ([]string, error) {
	var command []string
	for part := range strings.SplitSeq(q.path, "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, err
		}
		command = append(command, text)
	}
	if len(q.body) > 0 {
		command = append(command, string(q.body))
	}
	for pair := range strings.SplitSeq(q.URL.RawQuery, "&") {
		name, value, valued := strings.Cut(pair, "=")
		if name == "" || name == "_token" {
			continue
		}
		command = append(command, name)
		if text, err := url.QueryUnescape(value); valued && err == nil {
			command = append(command, text)
		}
	}
	return command, nil
}

// parseCommand reads a JSON array of a command and its arguments: strings as they are, anything else as its JSON.
func parseCommand(body []byte) ([]string, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return nil, errors.New("expected a JSON array")
	}
	command := make([]string, 0, len(parts))
	for _, part := range parts {
		var text string
		if json.Unmarshal(part, &text) != nil || bytes.Equal(part, []byte("null")) {
			text = string(part)
		}
		command = append(command, text)
	}
	return command, nil
}

func parseCommands(body []byte) ([][]string, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil || len(parts) == 0 {
		return nil, errors.New("expected a JSON array of commands")
	}
	commands := make([][]string, 0, len(parts))
	for _, part := range parts {
		command, err := parseCommand(part)
		if err != nil {
			return nil, err
		}
		commands = append(commands, command)
	}
	return commands, nil
}

// pipeline runs commands in order: an error is one command's, not the call's.
func (c *redisConn) pipeline(w http.ResponseWriter, q *dataRequest) {
	commands, err := parseCommands(q.body)
	if err != nil {
		dataError(w, http.StatusBadRequest, "ERR failed to parse pipeline request: "+err.Error())
		return
	}
	out := make([]map[string]any, 0, len(commands))
	for _, command := range commands {
		out = append(out, c.outcome(c.do(command)))
	}
	emukit.WriteJSON(w, http.StatusOK, out)
}

// multiExec runs commands as one transaction. One that is refused when queued discards all.
func (c *redisConn) multiExec(w http.ResponseWriter, q *dataRequest) {
	commands, err := parseCommands(q.body)
	if err != nil {
		dataError(w, http.StatusBadRequest, "ERR failed to parse multi-exec request: "+err.Error())
		return
	}
	c.raw("MULTI")
	for _, command := range commands {
		reply := c.do(command)
		if e, failed := reply.(redisError); failed {
			dataError(w, http.StatusBadRequest, "EXECABORT Transaction discarded because of: "+e.Error())
			return
		}
	}
	replies, ok := c.raw("EXEC").([]any)
	if !ok {
		dataError(w, http.StatusBadRequest, "EXECABORT Transaction discarded because of previous errors.")
		return
	}
	out := make([]map[string]any, 0, len(replies))
	for _, reply := range replies {
		out = append(out, c.outcome(reply))
	}
	emukit.WriteJSON(w, http.StatusOK, out)
}

func (c *redisConn) outcome(reply any) map[string]any {
	if e, failed := reply.(redisError); failed {
		return map[string]any{"error": e.Error()}
	}
	return map[string]any{"result": c.encode(reply)}
}

// encode puts every string but OK into base64 when the caller asked for it, as the vendor's own client does.
func (c *redisConn) encode(reply any) any {
	switch v := reply.(type) {
	case string:
		if c.base64 && v != "OK" {
			return base64.StdEncoding.EncodeToString([]byte(v))
		}
	case redisError:
		return v.Error()
	case []any:
		for i := range v {
			v[i] = c.encode(v[i])
		}
	}
	return reply
}
