package pgserver

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// accept passes every connection to the branch's cluster, until the listener closes.
func (b *branch) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.s.work.Go(func() { b.serve(c) })
	}
}

// serve passes bytes on and looks at none: TLS and passwords are between the client and PostgreSQL.
func (b *branch) serve(client net.Conn) {
	defer client.Close()
	cluster, err := b.open()
	if err != nil {
		b.s.refuse(client, err)
		return
	}
	defer b.release()
	defer cluster.Close()
	var both sync.WaitGroup
	done := make(chan struct{})
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = client.Close()
		_ = cluster.Close()
	}
	both.Go(func() { pass(cluster, client) })
	both.Go(func() { pass(client, cluster) })
	b.s.work.Go(func() {
		select {
		case <-b.s.ctx.Done():
			_ = client.Close()
			_ = cluster.Close()
		case <-done:
		}
	})
	both.Wait()
	close(done)
}

var errNoCompute = errors.New("the branch has no compute that is enabled")

// open starts the cluster if need be and connects to it. Each success is followed by release.
func (b *branch) open() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spec == nil || b.spec.Closed {
		return nil, errNoCompute
	}
	if b.idle != nil {
		b.idle.Stop()
	}
	if !b.running() {
		if err := b.start(b.s.ctx); err != nil {
			return nil, err
		}
	}
	c, err := new(net.Dialer).DialContext(b.s.ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.process.port)))
	if err == nil {
		b.conns++
	}
	return c, err
}

// release ends a connection; the last one starts the idle time.
func (b *branch) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns--; b.conns > 0 || !b.running() {
		return
	}
	b.idle = time.AfterFunc(b.s.idle, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.conns == 0 && b.s.ctx.Err() == nil {
			b.stop()
		}
	})
}

// refuse answers a client with PostgreSQL's error message, inside TLS when the client asks for it, as it otherwise shows
// no text: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
func (s *Server) refuse(client net.Conn, err error) {
	_ = client.SetDeadline(time.Now().Add(refuseTime))
	first := make([]byte, 8)
	if _, e := io.ReadFull(client, first); e != nil {
		return
	}
	if binary.BigEndian.Uint32(first[4:]) == sslRequest {
		if _, e := client.Write([]byte{'S'}); e != nil {
			return
		}
		client = tls.Server(client, &tls.Config{Certificates: []tls.Certificate{s.certificate}})
		_, _ = client.Read(make([]byte, 1024)) // the startup message: closing with unread bytes would lose the answer
	}
	fields := "SFATAL\x00VFATAL\x00C57P03\x00M" + err.Error() + "\x00\x00"
	message := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(fields)+4))
	_, _ = client.Write(append(message, fields...))
}

const (
	sslRequest = 80877103
	refuseTime = 5 * time.Second
)
