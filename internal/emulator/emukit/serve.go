package emukit

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a handler that listens.
type Server struct {
	// URL is its base, without a slash at the end: http://127.0.0.1:PORT. A listener on all addresses is named by its
	// loopback one.
	URL  string
	Port int

	srv  *http.Server
	done chan struct{}
}

// Loopback is where emulators listen unless told otherwise.
const Loopback = "127.0.0.1"

// Start serves h on 127.0.0.1:port until ctx ends or Close. Port 0 takes a free one.
func Start(ctx context.Context, port int, h http.Handler) (*Server, error) {
	return Listen(ctx, Loopback, port, h)
}

// Listen is Start on another address of this machine. Whoever reaches it reaches h.
func Listen(ctx context.Context, address string, port int, h http.Handler) (*Server, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	s := &Server{Port: l.Addr().(*net.TCPAddr).Port, done: make(chan struct{})}
	if a, err := netip.ParseAddr(address); err == nil && a.IsUnspecified() {
		address = Loopback
	}
	s.URL = "http://" + net.JoinHostPort(address, strconv.Itoa(s.Port))
	s.srv = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	stop := context.AfterFunc(ctx, func() { _ = s.srv.Close() })
	go func() {
		defer close(s.done)
		defer stop()
		_ = s.srv.Serve(&limited{Listener: l, room: 2 * maxCalls})
	}()
	return s, nil
}

// Close stops listening, cuts what is open, and returns when the listener is gone.
func (s *Server) Close() {
	_ = s.srv.Close()
	<-s.done
}

// limited is a listener with room for so many connections. One more is told so and closed.
type limited struct {
	net.Listener
	room int64
	open atomic.Int64
}

const tooManyConnections = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// Accept is of net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.room {
			return &counted{Conn: c, of: l}, nil
		}
		l.open.Add(-1)
		_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // the reply fits any buffer; nobody waits for it
		_, _ = io.WriteString(c, tooManyConnections)
		_ = c.Close()
	}
}

type counted struct {
	net.Conn
	of   *limited
	once sync.Once
}

// Close is of net.Conn.
func (c *counted) Close() error {
	c.once.Do(func() { c.of.open.Add(-1) })
	return c.Conn.Close()
}
