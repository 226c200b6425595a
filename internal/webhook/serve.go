package webhook

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway"
)

// What one sender can hold of this process: so many connections, each for so long.
const (
	maxConnections = 64
	headerTime     = 5 * time.Second
	requestTime    = 10 * time.Second
	idleTime       = 30 * time.Second
	maxHeader      = 16 << 10
)

// Listen opens a HOST:PORT for Serve; port 0 is any that is free. proxied says that a proxy with TLS stands in front: without it an address that
// others can reach is refused, since messages would come, and be read by anyone on the way, in plain. CodeInvalid when that, or the address, is
// wrong, or another process has it.
func Listen(ctx context.Context, address string, proxied bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeInvalid, "--webhooks %s is not HOST:PORT", address).WithHint("name one such as 127.0.0.1:8787")
	}
	if ip := net.ParseIP(host); !proxied && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, slipway.Errorf(slipway.CodeInvalid, "--webhooks %s can be reached from other machines, without TLS", address).
			WithHint("listen on 127.0.0.1 and let a reverse proxy with TLS, or a tunnel, lead there; or say with --webhooks-proxied that one stands before this address")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, slipway.Errorf(slipway.CodeInvalid, "--webhooks %s: another process listens there", address).WithHint("name another port, or end that process")
	case err != nil:
		return nil, slipway.Errorf(slipway.CodeInvalid, "--webhooks %s: nothing can listen there", address).WithHint("name an address of this machine, and a port over 1023")
	}
	return &narrow{Listener: l, free: make(chan struct{}, maxConnections), closed: make(chan struct{})}, nil
}

// Serve answers what comes to l until ctx ends, then closes it and waits for the requests that it has begun to answer.
func Serve(ctx context.Context, l net.Listener, h http.Handler) {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), // what strangers send is nobody's log
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
		defer cancel()
		_ = s.Shutdown(end)
		_ = s.Close()
	}()
	_ = s.Serve(l)
	<-over
}

// narrow is a listener that has no more than maxConnections open: the next waits until one is closed.
type narrow struct {
	net.Listener
	free   chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (n *narrow) Accept() (net.Conn, error) {
	select {
	case n.free <- struct{}{}:
	case <-n.closed:
		return nil, net.ErrClosed
	}
	conn, err := n.Listener.Accept()
	if err != nil {
		<-n.free
		return nil, err
	}
	return &counted{Conn: conn, done: sync.OnceFunc(func() { <-n.free })}, nil
}

func (n *narrow) Close() error {
	n.once.Do(func() { close(n.closed) })
	return n.Listener.Close()
}

type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}
