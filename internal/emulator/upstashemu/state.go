package upstashemu

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

var _ emukit.State = (*Server)(nil)

// graph is the state, with what the databases and indexes hold.
func (s *Server) graph() emukit.Graph {
	return emukit.Graph{
		Name: "upstash", Root: s, Kit: &s.Kit, Skip: []string{"Server.api", "Server.data"}, Types: []any{(*database)(nil), (*index)(nil)},
		Foreign: map[reflect.Type]emukit.Codec{reflect.TypeFor[*miniredis.Miniredis](): {
			Save: func(v any) (json.RawMessage, error) { return saveRedis(v.(*miniredis.Miniredis)) },
			Load: func(raw json.RawMessage) (any, error) { return s.loadRedis(raw) },
		}},
	}
}

// SaveState is of emukit.State. A Redis key of another type than string, hash, list, set, sorted set and stream is an
// error that names it.
func (s *Server) SaveState() ([]byte, error) {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.indexes {
		x.vectors.mu.RLock()
		defer x.vectors.mu.RUnlock()
	}
	return s.graph().Save()
}

// LoadState is of emukit.State.
func (s *Server) LoadState(raw []byte) error {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.databases
	if err := s.graph().Load(raw); err != nil {
		return err
	}
	for _, d := range before {
		d.redis.Close()
	}
	return nil
}

// ResetState is of emukit.State.
func (s *Server) ResetState() error {
	raw, err := (&Server{Accounts: s.Accounts}).SaveState()
	if err != nil {
		return err
	}
	return s.LoadState(raw)
}

// redisKey is one key of a database.
type redisKey struct {
	Type   string             `json:"type"`
	TTL    time.Duration      `json:"ttl,omitempty"` // from the moment of the save; 0 = none
	String []byte             `json:"string,omitempty"`
	Hash   map[string]string  `json:"hash,omitempty"`
	List   []string           `json:"list,omitempty"` // of a list or a set
	Scores map[string]float64 `json:"scores,omitempty"`
	Stream []streamEntry      `json:"stream,omitempty"`
}

type streamEntry struct {
	ID     string   `json:"id"`
	Values []string `json:"values"`
}

func saveRedis(m *miniredis.Miniredis) (json.RawMessage, error) {
	out := map[string]redisKey{}
	for _, key := range m.Keys() {
		k, err := saveKey(m, key)
		if err != nil {
			return nil, fmt.Errorf("redis key %q: %w", key, err)
		}
		out[strconv.Quote(key)] = k // a key may be any bytes
	}
	return json.Marshal(out)
}

func saveKey(m *miniredis.Miniredis, key string) (k redisKey, err error) {
	k.Type, k.TTL = m.Type(key), m.TTL(key)
	switch k.Type {
	case "string":
		var s string
		s, err = m.Get(key)
		k.String = []byte(s)
	case "hash":
		var fields []string
		fields, err = m.HKeys(key)
		k.Hash = map[string]string{}
		for _, f := range fields {
			k.Hash[f] = m.HGet(key, f)
		}
	case "list":
		k.List, err = m.List(key)
	case "set":
		k.List, err = m.SMembers(key)
	case "zset":
		k.Scores, err = m.SortedSet(key)
	case "stream":
		var entries []miniredis.StreamEntry
		entries, err = m.Stream(key)
		for _, e := range entries {
			k.Stream = append(k.Stream, streamEntry(e))
		}
	default:
		return k, fmt.Errorf("a %s cannot be saved", k.Type)
	}
	return k, err
}

func (s *Server) loadRedis(raw json.RawMessage) (*miniredis.Miniredis, error) {
	var keys map[string]redisKey
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, err
	}
	m := s.newRedis()
	for quoted, k := range keys {
		key, err := strconv.Unquote(quoted)
		if err == nil {
			err = loadKey(m, key, k)
		}
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("redis key %s: %w", quoted, err)
		}
	}
	return m, nil
}

func loadKey(m *miniredis.Miniredis, key string, k redisKey) (err error) {
	switch k.Type {
	case "string":
		err = m.Set(key, string(k.String))
	case "hash":
		for f, v := range k.Hash {
			m.HSet(key, f, v)
		}
	case "list":
		_, err = m.Push(key, k.List...)
	case "set":
		_, err = m.SAdd(key, k.List...)
	case "zset":
		for member, score := range k.Scores {
			if _, err = m.ZAdd(key, score, member); err != nil {
				return err
			}
		}
	case "stream":
		for _, e := range k.Stream {
			if _, err = m.XAdd(key, e.ID, e.Values); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("a %s cannot be loaded", k.Type)
	}
	if err == nil && k.TTL > 0 {
		m.SetTTL(key, k.TTL)
	}
	return err
}
