package certs

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// pinPrefix is the DER of a SubjectPublicKeyInfo up to the 32 bytes of an
// Ed25519 key (RFC 8410 section 4), so that a pin is the whole structure in
// hex and `openssl pkey -pubout` shows the same bytes.
const pinPrefix = "302a300506032b6570032100"

// PinSize is the length of a pin in hex digits.
const PinSize = len(pinPrefix) + 2*ed25519.PublicKeySize

// TLSIdentity is who a node or a member is on the network: one Ed25519 key.
// Its certificate is a mere envelope for the public key, made in memory. Its
// dates mean nothing and nobody reads them: no expiry can stop a cluster.
type TLSIdentity struct {
	private ed25519.PrivateKey
	pin     string
	cert    tls.Certificate
}

// NewTLSIdentity returns the identity of a 32-byte seed.
func NewTLSIdentity(seed []byte) (*TLSIdentity, error) {
	if len(seed) != SeedSize {
		return nil, fault.New("key_form", "", fmt.Sprintf("a TLS key needs a seed of %d bytes", SeedSize))
	}
	private := ed25519.NewKeyFromSeed(seed)
	envelope := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "milepost"},
		NotBefore:    time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 section 4.1.2.5: no end
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, envelope, envelope, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("certificate of a TLS key: %w", err)
	}
	return &TLSIdentity{
		private: private,
		pin:     formatPin(private.Public().(ed25519.PublicKey)),
		cert:    tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private},
	}, nil
}

func formatPin(public ed25519.PublicKey) string { return pinPrefix + hex.EncodeToString(public) }

// Pin returns the public key as configuration and records show it: the DER
// SubjectPublicKeyInfo in 88 lower-case hex digits.
func (t *TLSIdentity) Pin() string { return t.pin }

// String returns the pin, so that a printed identity shows no secret.
func (t *TLSIdentity) String() string { return t.pin }

// GoString is String, for %#v.
func (t *TLSIdentity) GoString() string { return t.pin }

// Possess returns the proof of possession that registers the key for name in
// the log of that origin.
func (t *TLSIdentity) Possess(origin, name string) []byte {
	return ed25519.Sign(t.private, PossessionText(origin, name, "tls", t.pin))
}

// PinPossessed reports whether proof is the proof of possession of the TLS
// key with that pin.
func PinPossessed(pin, origin, name string, proof []byte) bool {
	public, err := ParsePin(pin)
	return err == nil && VerifyEd25519(public, PossessionText(origin, name, "tls", pin), proof)
}

// ParsePin reads a pin. It accepts the one form that Pin writes, and no key
// that is not canonical or is of small order (code key_weak): with such a
// key anyone could answer a handshake.
func ParsePin(s string) (ed25519.PublicKey, error) {
	public, err := hex.DecodeString(strings.TrimPrefix(s, pinPrefix))
	if err != nil || len(s) != PinSize || formatPin(public) != s {
		return nil, fault.New("pin_form", "", fmt.Sprintf("a TLS key is %d lower-case hex digits that begin with %s", PinSize, pinPrefix)).
			WithHint("`milepost key show` prints it")
	}
	if err := CheckEd25519Public(public); err != nil {
		return nil, err
	}
	return public, nil
}

// PinOf returns the pin of the key that the peer presented, and false if it
// presented none or one that could never be pinned.
func PinOf(state tls.ConnectionState) (string, bool) {
	pin, err := presented(state)
	return pin, err == nil && pin != ""
}

// presented returns the pin of the peer's key, or "" if it showed none.
func presented(state tls.ConnectionState) (string, error) {
	bad := func(why string) (string, error) {
		return "", fault.New("tls_key", "", "the peer's TLS certificate "+why)
	}
	switch len(state.PeerCertificates) {
	case 0:
		return "", nil
	case 1:
	default:
		// Chains mean nothing here; a second certificate is a mistake.
		return bad("comes with a chain; one self-signed certificate is expected")
	}
	public, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return bad("does not hold an Ed25519 key")
	}
	pin := formatPin(public)
	if spki, err := hex.DecodeString(pin); err != nil || !bytes.Equal(spki, state.PeerCertificates[0].RawSubjectPublicKeyInfo) {
		return bad("holds an Ed25519 key in an unusual form")
	}
	if err := CheckEd25519Public(public); err != nil {
		return "", err
	}
	return pin, nil
}

// base is what both ends share. TLS 1.3 only, and no session tickets: each
// connection proves possession of its key anew, so that a key which was cut
// off can't come back on an old session.
func base(id *TLSIdentity, alpn []string) *tls.Config {
	c := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		MaxVersion:             tls.VersionTLS13,
		NextProtos:             alpn,
		SessionTicketsDisabled: true,
	}
	if id != nil {
		c.Certificates = []tls.Certificate{id.cert}
	}
	return c
}

// ServerConfig returns the configuration of a server that speaks the given
// ALPN protocols and judges its clients by key alone. A client may stay
// anonymous; a certificate that it does present must hold an Ed25519 key.
//
// verify is asked on every connection, with pin "" for an anonymous client
// and alpn "" for one that offered no protocol; its error ends the handshake
// (the client sees "bad certificate"). It is asked before the client has
// proven possession of its key: it may refuse, but nothing else may follow
// from it before the handshake is done.
func ServerConfig(id *TLSIdentity, verify func(pin, alpn string) error, alpn ...string) *tls.Config {
	c := base(id, alpn)
	c.ClientAuth = tls.RequestClientCert
	c.VerifyConnection = func(state tls.ConnectionState) error {
		pin, err := presented(state)
		if err != nil {
			return err
		}
		return verify(pin, state.NegotiatedProtocol)
	}
	return c
}

// ClientConfig returns the configuration of a client that talks alpn to the
// one server whose key is wantPin, and presents id unless that is nil. A
// server with another key fails the handshake with code wrong_server_key.
func ClientConfig(id *TLSIdentity, wantPin string, alpn string) *tls.Config {
	c := base(id, []string{alpn})
	// Names and authorities play no part: the key is pinned below, in the
	// hook that runs on every connection.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error {
		pin, err := presented(state)
		if err != nil {
			return err
		}
		if pin == "" || pin != wantPin {
			return fault.New("wrong_server_key", "", fmt.Sprintf("the server's TLS key is %s, not the expected %s", shown(pin), shown(wantPin))).
				WithHint("another program answers at this address, or the node's TLS key was changed: compare with the cluster's records before trusting it")
		}
		if state.NegotiatedProtocol != alpn {
			return fault.New("tls_protocol", "", fmt.Sprintf("the server does not speak %q", alpn))
		}
		return nil
	}
	return c
}

func shown(pin string) string {
	if pin == "" {
		return "missing"
	}
	return pin
}
