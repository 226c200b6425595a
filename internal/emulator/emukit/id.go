package emukit

import (
	crand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// Alphabets for RandomString.
const (
	Alnum      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	LowerAlnum = "0123456789abcdefghijklmnopqrstuvwxyz"
)

// RandomString returns n characters of alphabet, repeatable when Seed is set.
func (k *Kit) RandomString(n int, alphabet string) string {
	out := make([]byte, n)
	k.random(out)
	for i, b := range out {
		out[i] = alphabet[int(b)%len(alphabet)]
	}
	return string(out)
}

// RandomUUID returns a version 4 UUID, repeatable when Seed is set.
func (k *Kit) RandomUUID() string {
	var b [16]byte
	k.random(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// RandomInt returns a number from 0 to n-1, repeatable when Seed is set.
func (k *Kit) RandomInt(n int) int {
	var b [8]byte
	k.random(b[:])
	return int(binary.LittleEndian.Uint64(b[:]) % uint64(n))
}

func (k *Kit) random(b []byte) {
	if k.Seed == 0 {
		_, _ = crand.Read(b) // never fails: it ends the program when the system has no randomness
		return
	}
	k.idMu.Lock()
	defer k.idMu.Unlock()
	_, _ = k.seeded().Read(b)
}

// seeded returns the generator. k.idMu is held.
func (k *Kit) seeded() *rand.ChaCha8 {
	if k.rng == nil {
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], k.Seed)
		k.rng = rand.NewChaCha8(seed)
	}
	return k.rng
}

func (k *Kit) randomState() []byte {
	k.idMu.Lock()
	defer k.idMu.Unlock()
	b, _ := k.seeded().MarshalBinary() // never fails
	return b
}

func (k *Kit) setRandomState(b []byte) error {
	k.idMu.Lock()
	defer k.idMu.Unlock()
	fresh := &rand.ChaCha8{}
	if err := fresh.UnmarshalBinary(b); err != nil {
		return err
	}
	k.rng = fresh
	return nil
}
