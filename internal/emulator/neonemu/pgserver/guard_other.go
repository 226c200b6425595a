//go:build !unix

package pgserver

import (
	"errors"
	"os"
	"os/exec"
)

var errUnsupported = errors.New("PostgreSQL behind the emulated Neon needs a Unix system")

type owner struct{}

func newOwner() (owner, error) { return owner{}, errUnsupported }

func (owner) become(*exec.Cmd, int) {}

func (owner) write(string, []byte, os.FileMode) error { return errUnsupported }

func (owner) mkdir(string) error { return errUnsupported }

func (owner) folder() (string, error) { return "", errUnsupported }

type guard struct{}

func watch(owner, string) (*guard, error) { return nil, errUnsupported }

func (*guard) group() int { return 0 }

func (*guard) release() {}
