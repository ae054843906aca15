package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// accept takes connections as long as there is a place for them. What it
// does not take waits in the kernel's queue, which is bounded.
func (p *Port) accept() {
	var pause time.Duration
	for {
		select {
		case p.pending <- struct{}{}:
		case <-p.closed:
			return
		}
		raw, err := p.listener.Accept()
		if err != nil {
			<-p.pending
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, most likely: others will be freed.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(pause):
			case <-p.closed:
				return
			}
			continue
		}
		pause = 0
		p.Counters.Accepted.Add(1)
		l, err := p.open(raw, pending)
		if err != nil {
			<-p.pending
			p.refuse(raw.RemoteAddr(), err)
			raw.Close()
			continue
		}
		p.running.Go(func() { p.receive(l) })
	}
}

// receive makes the handshake of a connection and passes it on.
func (p *Port) receive(l *link) {
	conn, to, err := p.handshake(l)
	if err != nil {
		p.refuse(l.RemoteAddr(), err)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			drain(l)
		}
		l.Close()
	}
	<-p.pending
	if err == nil {
		to.hand(conn)
	}
}

// handshake returns a connection that is registered and let in, and the door
// where it is expected.
func (p *Port) handshake(l *link) (net.Conn, *door, error) {
	if err := l.beginHandshake(); err != nil {
		return nil, nil, err
	}
	conn := tls.Server(l, p.self.Load().server)
	err := conn.Handshake()
	if err := errors.Join(err, l.endHandshake()); err != nil {
		return nil, nil, err
	}
	state := conn.ConnectionState()
	pin, _ := certs.PinOf(state)
	kind, to, layer := served, p.https, (*RaftLayer)(nil)
	if state.NegotiatedProtocol == ALPNRaft {
		p.mu.Lock()
		layer = p.raft
		p.mu.Unlock()
		if layer == nil {
			return nil, nil, fault.New("peer_unavailable", "", "this node does not run Raft at the moment")
		}
		kind, to = raftPeer, layer.door
	}
	if err := p.know(l, kind, pin, layer); err != nil {
		return nil, nil, err
	}
	// The key may have been revoked since the handshake looked at it. From
	// here on CloseKey finds the connection.
	if err := p.admits(pin, state.NegotiatedProtocol); err != nil {
		return nil, nil, err
	}
	p.Counters.Handshakes.Add(1)
	if layer == nil {
		return conn, to, nil
	}
	rc, err := layer.welcome(conn, l, pin)
	return rc, to, err
}

func (p *Port) refuse(remote net.Addr, err error) {
	why, counter := "peer", &p.Counters.RefusedPeer
	switch code := fault.Code(err); {
	case errors.Is(err, net.ErrClosed): // this end gave up
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		why, counter = "timeout", &p.Counters.RefusedTimeout
	case errors.Is(err, errFull):
		why, counter = "full", &p.Counters.RefusedFull
	case code == "internal" || code == "tls_key" || code == "key_weak":
		why, counter = "tls", &p.Counters.RefusedTLS
	}
	counter.Add(1)
	p.cfg.Refused(remote, why, err)
}

// drain lets the peer read why it was refused: to close at once, with bytes
// of its unread, would make TCP throw away the alert on its way.
func drain(l *link) {
	l.SetDeadline(time.Now().Add(time.Second))
	if half, ok := l.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, l.Conn, 64<<10)
	}
}
