package vercelemu

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/slipway-dev/slipway/internal/isolate"
)

// inDoor is the door that the function's request goes through.
const inDoor = "in"

// doors are what connects an isolated function with this machine: a folder with a socket for its request, and one for
// each port of this machine's loopback that it reaches, by number.
type doors struct {
	dir  string
	in   net.Listener
	outs []net.Listener
	work sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

// openDoors makes them for a function of user id uid. When ctx ends nothing more goes through.
func openDoors(ctx context.Context, uid int, ports []int) (*doors, error) {
	dir, err := os.MkdirTemp("", "slipway-fn-")
	if err != nil {
		return nil, err
	}
	d := &doors{dir: dir, open: map[net.Conn]bool{}}
	if d.in, err = net.Listen("unix", filepath.Join(dir, inDoor)); err != nil {
		d.close()
		return nil, err
	}
	for _, port := range ports {
		l, err := net.Listen("unix", filepath.Join(dir, strconv.Itoa(port)))
		if err != nil {
			d.close()
			return nil, err
		}
		d.outs = append(d.outs, l)
		d.work.Go(func() { d.serve(ctx, l, port) })
	}
	if err := isolate.Own(dir, uid); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// serve takes each connection on to the port.
func (d *doors) serve(ctx context.Context, l net.Listener, port int) {
	for {
		inside, err := l.Accept()
		if err != nil {
			return
		}
		d.work.Go(func() {
			defer d.forget(inside)
			if !d.keep(inside) {
				return
			}
			outside, err := (&net.Dialer{}).DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				return
			}
			defer d.forget(outside)
			if d.keep(outside) {
				join(inside.(*net.UnixConn), outside.(*net.TCPConn))
			}
		})
	}
}

// join copies both ways until both are over.
func join(a *net.UnixConn, b *net.TCPConn) {
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(a, b); _ = a.CloseWrite() })
	both.Go(func() { _, _ = io.Copy(b, a); _ = b.CloseWrite() })
	both.Wait()
}

// keep has the connection closed with the doors. It returns false when they are closed already.
func (d *doors) keep(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[c] = true
	return !d.closed
}

func (d *doors) forget(c net.Conn) {
	d.mu.Lock()
	delete(d.open, c)
	d.mu.Unlock()
	_ = c.Close()
}

// close ends all connections and removes the folder.
func (d *doors) close() {
	d.mu.Lock()
	d.closed = true
	for c := range d.open {
		_ = c.Close()
	}
	d.mu.Unlock()
	for _, l := range append(d.outs, d.in) {
		if l != nil {
			_ = l.Close()
		}
	}
	d.work.Wait()
	_ = os.RemoveAll(d.dir)
}
