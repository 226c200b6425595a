package emukit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type shop struct {
	Setting string // exported: not state

	mu      sync.Mutex
	handler func()
	opened  time.Time
	items   map[string]*item
	order   []*item
	files   map[string][]byte
	raw     json.RawMessage
	any     map[string]any
	things  map[string]thing
	vault   *vault
	born    Birth
	binary  string
	scratch string
}

type item struct {
	name  string
	shop  *shop
	peer  *item
	tree  map[string][]byte
	price float64
	done  chan struct{}
}

type thing interface{ named() string }

func (i *item) named() string { return i.name }

type vault struct{ secret string }

func (s *shop) graph() Graph {
	return Graph{
		Name: "shop", Root: s, Skip: []string{"shop.scratch", "item.shop"}, Types: []any{(*item)(nil)},
		Foreign: map[reflect.Type]Codec{reflect.TypeFor[*vault](): {
			Save: func(v any) (json.RawMessage, error) { return json.Marshal(v.(*vault).secret) },
			Load: func(raw json.RawMessage) (any, error) {
				v := &vault{}
				return v, json.Unmarshal(raw, &v.secret)
			},
		}},
	}
}

func newShop() *shop {
	big := bytes.Repeat([]byte("x"), 1000)
	a, b := &item{name: "a", price: 1.5, tree: map[string][]byte{"big": big}}, &item{name: "b", tree: map[string][]byte{"big": big, "small": []byte("s")}, done: make(chan struct{})}
	a.peer, b.peer = b, a
	return &shop{
		Setting: "x", handler: func() {}, opened: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), items: map[string]*item{"a": a, "b": b},
		order: []*item{b, a}, files: map[string][]byte{"f": big, "none": nil}, raw: json.RawMessage(`{"k":1}`),
		any: map[string]any{"n": 1, "s": "text", "l": []any{true, nil, 2.5}, "m": map[string]any{"$ref": "no"}}, things: map[string]thing{"a": a},
		vault: &vault{"s3cret"}, born: Birth{reads: 2}, binary: "\xff\xfe", scratch: "here",
	}
}

func TestGraphSavesAndLoadsEverything(t *testing.T) {
	first := newShop()
	raw, err := first.graph().Save()
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(raw, []byte("eHh4eHh4")); n == 0 || bytes.Count(raw, []byte(`"bytes:`)) < 4 {
		t.Errorf("content that three fields share is not saved once: %s", raw)
	}
	second := &shop{Setting: "mine", scratch: "there"}
	if err := second.graph().Load(raw); err != nil {
		t.Fatal(err)
	}
	again, err := second.graph().Save()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(raw), string(again)); diff != "" {
		t.Errorf("saved, loaded, saved (-first +second):\n%s", diff)
	}
	a := second.items["a"]
	if second.order[1] != a || a.peer.peer != a || second.things["a"] != thing(a) {
		t.Error("pointers that met do not meet any more")
	}
	if second.Setting != "mine" || second.scratch != "there" || second.vault.secret != "s3cret" || second.any["n"] != 1 || second.binary != "\xff\xfe" {
		t.Errorf("loaded %+v", second)
	}
	counts, err := CountState(raw)
	if diff := cmp.Diff(map[string]int{"item": 2, "vault": 1, "bytes": 1}, counts); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestGraphRefusesWhatItCannotLoadAndChangesNothing(t *testing.T) {
	raw, err := newShop().graph().Save()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		out := strings.Replace(string(raw), old, new, 1)
		if out == string(raw) {
			t.Fatalf("%s is not in the state", old)
		}
		return out
	}
	for name, tc := range map[string]struct{ reason, text string }{
		"no JSON":         {"a broken file", "{"},
		"another format":  {"a later version", edit(stateFormat, "slipway-emulator-state/2")},
		"another's":       {"the state of another emulator", edit(`"emulator": "shop"`, `"emulator": "neon"`)},
		"unknown field":   {"a field that is gone", edit(`"opened"`, `"closed"`)},
		"setting":         {"what is no state", edit(`"opened"`, `"Setting"`)},
		"lost object":     {"a reference to nothing", edit(`"$ref": "item:1"`, `"$ref": "item:9"`)},
		"wrong object":    {"a reference to another type", edit(`"$ref": "vault:1"`, `"$ref": "item:1"`)},
		"wrong type":      {"a number for a text", edit(`"name": "a"`, `"name": 7`)},
		"unknown type":    {"a type that nobody knows", edit(`"$type": "*emukit.item"`, `"$type": "*emukit.gone"`)},
		"bare interface":  {"a text where something with a method is kept", edit(`"things": {`, `"things": {"b": "text",`)},
		"bytes for items": {"bytes are no item", edit(`"$ref": "item:1"`, `"$ref": "bytes:1"`)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop()
			s.items["a"].name = "kept"
			if err := s.graph().Load([]byte(tc.text)); err == nil {
				t.Errorf("%s was loaded", tc.reason)
			}
			if s.items["a"].name != "kept" {
				t.Errorf("%s: the state was changed", tc.reason)
			}
		})
	}
}

func TestGraphNamesTheFieldThatCannotBeSaved(t *testing.T) {
	type odd struct{ byNumber map[int]string }
	_, err := Graph{Name: "odd", Root: &odd{map[int]string{1: "a"}}}.Save()
	if err == nil || !strings.Contains(err.Error(), "odd.byNumber") {
		t.Errorf("error %v", err)
	}
}

func TestASeededGraphGoesOnWithItsRandomNumbers(t *testing.T) {
	kits := []*Kit{{Seed: 7}, {Seed: 7}}
	kits[0].RandomString(8, Alnum)
	raw, err := Graph{Name: "g", Root: &struct{}{}, Kit: kits[0]}.Save()
	if err != nil {
		t.Fatal(err)
	}
	if err := (Graph{Name: "g", Root: &struct{}{}, Kit: kits[1]}).Load(raw); err != nil {
		t.Fatal(err)
	}
	if a, b := kits[0].RandomString(8, Alnum), kits[1].RandomString(8, Alnum); a != b {
		t.Errorf("after the load %s, and without it %s", b, a)
	}
}
