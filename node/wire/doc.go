// Package wire is a node's one TCP port. Everything on it is TLS 1.3 with
// pinned Ed25519 keys (see certs.ServerConfig); the protocol that the two
// ends agree on in the handshake (ALPN) parts Raft from HTTPS, so that a
// dealer opens one port.
//
// It promises:
//   - only a peer whose key Config.RaftPeer knows reaches Raft, and Raft only
//     talks to the key that Config.PinOf expects at an address;
//   - an HTTPS client may be anonymous; http.Request.TLS is set, and
//     certs.PinOf(*r.TLS) says who it is;
//   - a key that its hook no longer accepts, and that was then passed to
//     CloseKey, has no open connection and gets no new one. (A connection is
//     registered first and judged again after that, so none slips between.)
//   - what Accept and Dial return has its handshake behind it, both ends'
//     refusals included: Raft's transport sets no deadline there;
//   - a flood of fresh connections costs the node memory for the pending ones
//     but no more than MaxComputing cores: computing the handshakes waits its
//     turn, waiting for a slow client's bytes holds no turn;
//   - of the HTTPS connections no holder of keys, and no address, takes so many
//     that none is left for another.
//
// It assumes that hooks answer at once and may be called from many
// goroutines.
//
// It leaves to others: what a key may do once it is in, HTTP's own timeouts
// (set http.Server's ReadHeaderTimeout and IdleTimeout), and floods from many
// addresses, which a firewall must hold off; Raft's open connections live on
// through one.
//
// # Idle connections
//
// Raft's transport waits for the next request without a deadline, and rightly
// so: it pools connections that may next be needed at an election, weeks
// later. So none is set here. A peer that vanished without a word is noticed
// by TCP keepalive instead, after some 25 s; and on Raft's connections data
// that stays unacknowledged for 15 s ends them (TCP_USER_TIMEOUT, Linux). Not
// on HTTPS: there a client may pause a download for longer than that.
package wire
