package emukit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// stateFormat is the version of what Save writes.
const stateFormat = "slipway-emulator-state/1"

// Graph saves an emulator's memory as JSON and loads it again: every unexported field of the struct that Root points
// to, and all that they lead to, in whichever way pointers cross. A field that is added to an emulator is saved
// without a word; one that cannot be is an error that names it, until it is in Skip. Exported fields are settings and
// are not saved. Mutexes, channels and functions are never saved.
//
// It reads and writes unexported fields, which is why it is here once and in no emulator.
type Graph struct {
	// Name is the emulator's: a state loads only where it was saved.
	Name string
	// Root is a pointer to the emulator's struct, which the caller has locked.
	Root any
	// Kit is the emulator's. A seeded one goes on with the random numbers that follow those before the save.
	Kit *Kit
	// Base is what the emulator's own host names end in here. A state that was saved with another one is given this one
	// wherever it stands.
	Base string
	// Skip names fields that are left out, as Type.field: Server.handler. They keep their value in a load of Root, and
	// are zero in all else.
	Skip []string
	// Types holds a value of each type, other than the plain ones, that is kept in an interface.
	Types []any
	// Foreign saves and loads types of other packages that keep their state to themselves.
	Foreign map[reflect.Type]Codec
}

// Codec turns a value of a foreign type to JSON and back.
type Codec struct {
	Save func(any) (json.RawMessage, error)
	Load func(json.RawMessage) (any, error)
}

// saved is the document.
type saved struct {
	Format   string                     `json:"format"`
	Emulator string                     `json:"emulator"`
	Base     string                     `json:"base"`
	Random   []byte                     `json:"random,omitempty"`
	Root     map[string]json.RawMessage `json:"root"`
	// Objects are what pointers point to, by name: project:1.
	Objects map[string]json.RawMessage `json:"objects"`
}

// CountState returns how many objects of each type a saved state has.
func CountState(raw []byte) (map[string]int, error) {
	var doc saved
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for name := range doc.Objects {
		kind, _, _ := strings.Cut(name, ":")
		out[kind]++
	}
	return out, nil
}

// Save returns the state. Equal states are equal bytes.
func (g Graph) Save() ([]byte, error) {
	e := &encoder{Graph: g, names: map[pointer]string{}, counts: map[string]int{}, objects: map[string]any{}}
	root := reflect.ValueOf(g.Root).Elem()
	fields, err := e.fields(root, true)
	if err != nil {
		return nil, fmt.Errorf("%s state: %w", g.Name, err)
	}
	doc := map[string]any{"format": stateFormat, "emulator": g.Name, "base": g.Base, "root": fields, "objects": e.objects}
	if g.Kit != nil && g.Kit.Seed != 0 {
		doc["random"] = g.Kit.randomState()
	}
	return json.MarshalIndent(doc, "", " ")
}

// Load replaces the state. On an error nothing is changed.
func (g Graph) Load(raw []byte) error {
	var doc saved
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("%s state: %w", g.Name, err)
	}
	if doc.Format != stateFormat || doc.Emulator != g.Name {
		return fmt.Errorf("%s state: this is %q of %q", g.Name, doc.Format, doc.Emulator)
	}
	if doc.Base != "" && doc.Base != g.Base {
		if err := json.Unmarshal(bytes.ReplaceAll(raw, []byte(doc.Base), []byte(g.Base)), &doc); err != nil {
			return fmt.Errorf("%s state: %w", g.Name, err)
		}
	}
	root := reflect.ValueOf(g.Root).Elem()
	fresh := reflect.New(root.Type()).Elem()
	d := &decoder{Graph: g, doc: doc, made: map[string]reflect.Value{}}
	if err := d.fields(doc.Root, fresh, true); err != nil {
		return fmt.Errorf("%s state: %w", g.Name, err)
	}
	if g.Kit != nil && g.Kit.Seed != 0 && len(doc.Random) > 0 {
		if err := g.Kit.setRandomState(doc.Random); err != nil {
			return fmt.Errorf("%s state: %w", g.Name, err)
		}
	}
	for i := range root.NumField() {
		if _, in := doc.Root[root.Type().Field(i).Name]; in {
			open(root.Field(i)).Set(open(fresh.Field(i)))
		}
	}
	return nil
}

// keeps reports whether a field is part of the state.
func (g Graph) keeps(t reflect.Type, f reflect.StructField) bool {
	if f.Type.PkgPath() == "sync" || f.Type.PkgPath() == "sync/atomic" || slices.Contains(g.Skip, t.Name()+"."+f.Name) {
		return false
	}
	return f.Type.Kind() != reflect.Func && f.Type.Kind() != reflect.Chan
}

// open makes an addressable value of an unexported field usable.
func open(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// addressable returns v or a copy of it that open can take.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

var timeType = reflect.TypeFor[time.Time]()

// minShared is from how many bytes on a byte slice is saved once, however many fields hold it.
const minShared = 128

type pointer struct {
	at   unsafe.Pointer
	size int // of a byte slice
	kind reflect.Type
}

type encoder struct {
	Graph
	names   map[pointer]string
	counts  map[string]int
	objects map[string]any
}

func (e *encoder) fields(v reflect.Value, root bool) (map[string]any, error) {
	out := map[string]any{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !e.keeps(v.Type(), f) || root && f.IsExported() {
			continue
		}
		value, err := e.value(open(v.Field(i)))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", v.Type().Name(), f.Name, err)
		}
		out[f.Name] = value
	}
	return out, nil
}

func (e *encoder) value(v reflect.Value) (any, error) {
	if v.Type() == timeType {
		return v.Interface().(time.Time).Format(time.RFC3339Nano), nil
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8,
		reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return v.Interface(), nil
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) {
			return map[string]any{"$bytes": []byte(s)}, nil
		}
		return v.String(), nil
	case reflect.Slice, reflect.Array:
		return e.list(v)
	case reflect.Map:
		return e.mapping(v)
	case reflect.Struct:
		return e.fields(addressable(v), false)
	case reflect.Pointer:
		return e.pointer(v)
	case reflect.Interface:
		return e.dynamic(v)
	}
	return nil, fmt.Errorf("a %s cannot be saved", v.Type())
}

func (e *encoder) list(v reflect.Value) (any, error) {
	if v.Kind() == reflect.Slice {
		if v.IsNil() {
			return nil, nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return e.bytes(v), nil
		}
	}
	out := make([]any, v.Len())
	for i := range out {
		var err error
		if out[i], err = e.value(v.Index(i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *encoder) bytes(v reflect.Value) any {
	b := v.Bytes()
	if len(b) < minShared {
		return b
	}
	p := pointer{unsafe.Pointer(unsafe.SliceData(b)), len(b), nil}
	name, known := e.names[p]
	if !known {
		name = e.name(p, "bytes")
		e.objects[name] = b
	}
	return map[string]any{"$ref": name}
}

func (e *encoder) mapping(v reflect.Value) (any, error) {
	if v.IsNil() {
		return nil, nil
	}
	if v.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("a %s cannot be saved", v.Type())
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	out := make(map[string]any, len(keys))
	for _, k := range keys {
		var err error
		if out[k.String()], err = e.value(v.MapIndex(k)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *encoder) name(p pointer, kind string) string {
	e.counts[kind]++
	name := fmt.Sprintf("%s:%d", kind, e.counts[kind])
	e.names[p] = name
	return name
}

func (e *encoder) pointer(v reflect.Value) (any, error) {
	if v.IsNil() {
		return nil, nil
	}
	p := pointer{v.UnsafePointer(), 0, v.Type()}
	name, known := e.names[p]
	if known {
		return map[string]any{"$ref": name}, nil
	}
	name = e.name(p, v.Type().Elem().Name())
	var err error
	if codec, ok := e.Foreign[v.Type()]; ok {
		e.objects[name], err = codec.Save(v.Interface())
	} else {
		e.objects[name], err = e.value(v.Elem())
	}
	return map[string]any{"$ref": name}, err
}

func (e *encoder) dynamic(v reflect.Value) (any, error) {
	if v.IsNil() {
		return nil, nil
	}
	in := v.Elem()
	switch in.Interface().(type) {
	case string, bool:
		return in.Interface(), nil
	}
	value, err := e.value(in)
	return map[string]any{"$type": in.Type().String(), "$value": value}, err
}

type decoder struct {
	Graph
	doc  saved
	made map[string]reflect.Value
}

func (d *decoder) fields(raw map[string]json.RawMessage, into reflect.Value, root bool) error {
	t := into.Type()
	for name, value := range raw {
		f, ok := t.FieldByName(name)
		if !ok || len(f.Index) != 1 || !d.keeps(t, f) || root && f.IsExported() {
			return fmt.Errorf("%s has no field %s", t.Name(), name)
		}
		if err := d.value(value, open(into.Field(f.Index[0]))); err != nil {
			return fmt.Errorf("%s.%s: %w", t.Name(), name, err)
		}
	}
	return nil
}

func (d *decoder) value(raw json.RawMessage, into reflect.Value) error {
	if into.Type() == timeType {
		return json.Unmarshal(raw, into.Addr().Interface())
	}
	if bytes.Equal(raw, []byte("null")) {
		into.SetZero()
		return nil
	}
	switch into.Kind() {
	case reflect.String:
		return d.text(raw, into)
	case reflect.Slice:
		return d.list(raw, into)
	case reflect.Map:
		return d.mapping(raw, into)
	case reflect.Struct:
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			return err
		}
		return d.fields(fields, into, false)
	case reflect.Pointer:
		return d.pointer(raw, into)
	case reflect.Interface:
		return d.dynamic(raw, into)
	}
	return json.Unmarshal(raw, into.Addr().Interface())
}

func (d *decoder) text(raw json.RawMessage, into reflect.Value) error {
	var special struct {
		Bytes []byte `json:"$bytes"`
	}
	if raw[0] == '{' {
		err := json.Unmarshal(raw, &special)
		into.SetString(string(special.Bytes))
		return err
	}
	var s string
	err := json.Unmarshal(raw, &s)
	into.SetString(s)
	return err
}

func (d *decoder) list(raw json.RawMessage, into reflect.Value) error {
	if into.Type().Elem().Kind() == reflect.Uint8 {
		return d.bytes(raw, into)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
	for i, item := range items {
		if err := d.value(item, into.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) bytes(raw json.RawMessage, into reflect.Value) error {
	if raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		b, err := base64.StdEncoding.DecodeString(s)
		into.SetBytes(b)
		return err
	}
	name, object, err := d.ref(raw)
	if err != nil {
		return err
	}
	if made, ok := d.made[name]; ok {
		if made.Type() != reflect.TypeFor[[]byte]() {
			return fmt.Errorf("%s is a %s", name, made.Type())
		}
		into.SetBytes(made.Bytes())
		return nil
	}
	if len(object) == 0 || object[0] != '"' {
		return fmt.Errorf("%s is no bytes", name)
	}
	if err := d.bytes(object, into); err != nil {
		return err
	}
	d.made[name] = reflect.ValueOf(into.Bytes())
	return nil
}

func (d *decoder) mapping(raw json.RawMessage, into reflect.Value) error {
	var items map[string]json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	into.Set(reflect.MakeMapWithSize(into.Type(), len(items)))
	for k, item := range items {
		v := reflect.New(into.Type().Elem()).Elem()
		if err := d.value(item, v); err != nil {
			return err
		}
		into.SetMapIndex(reflect.ValueOf(k).Convert(into.Type().Key()), v)
	}
	return nil
}

func (d *decoder) ref(raw json.RawMessage) (name string, object json.RawMessage, err error) {
	var ref struct {
		Name string `json:"$ref"`
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		return "", nil, err
	}
	object, ok := d.doc.Objects[ref.Name]
	if !ok {
		return "", nil, fmt.Errorf("there is no object %q", ref.Name)
	}
	return ref.Name, object, nil
}

func (d *decoder) pointer(raw json.RawMessage, into reflect.Value) error {
	name, object, err := d.ref(raw)
	if err != nil {
		return err
	}
	if made, known := d.made[name]; known {
		if made.Type() != into.Type() {
			return fmt.Errorf("%s is a %s", name, made.Type())
		}
		into.Set(made)
		return nil
	}
	if codec, ok := d.Foreign[into.Type()]; ok {
		v, err := codec.Load(object)
		if err != nil {
			return err
		}
		into.Set(reflect.ValueOf(v))
		d.made[name] = reflect.ValueOf(v)
		return nil
	}
	fresh := reflect.New(into.Type().Elem())
	d.made[name] = fresh // before it is filled: what it holds may point back to it
	into.Set(fresh)
	return d.value(object, fresh.Elem())
}

func cutText(raw json.RawMessage) string { return string(raw[:min(len(raw), 40)]) }

// plain are the types that an interface may hold without being in Types.
var plain = []any{0, int64(0), uint64(0), float64(0), []string(nil), []any(nil), map[string]any(nil), map[string]string(nil), []map[string]any(nil), json.RawMessage(nil)}

func (d *decoder) dynamic(raw json.RawMessage, into reflect.Value) error {
	if raw[0] != '{' {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		if !reflect.TypeOf(v).AssignableTo(into.Type()) {
			return fmt.Errorf("%s is no %s", cutText(raw), into.Type())
		}
		into.Set(reflect.ValueOf(v))
		return nil
	}
	var typed struct {
		Type  string          `json:"$type"`
		Value json.RawMessage `json:"$value"`
	}
	if err := json.Unmarshal(raw, &typed); err != nil {
		return err
	}
	for _, known := range slices.Concat(plain, d.Types) {
		t := reflect.TypeOf(known)
		if t.String() != typed.Type || !t.AssignableTo(into.Type()) {
			continue
		}
		v := reflect.New(t).Elem()
		if err := d.value(typed.Value, v); err != nil {
			return err
		}
		into.Set(v)
		return nil
	}
	return errors.New("type " + typed.Type + " is unknown here")
}
