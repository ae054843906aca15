package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

func tlsIdentity(t testing.TB, b byte) *TLSIdentity {
	t.Helper()
	id, err := NewTLSIdentity(bytes.Repeat([]byte{b}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// shake runs one handshake over loopback and lets one byte cross, since a
// TLS 1.3 client learns of the server's refusal only when it reads.
func shake(t *testing.T, server, client *tls.Config) (serverState, clientState tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	// Not net.Pipe: it has no buffer, and two ends that alert each other at
	// once would wait for ever.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	s, c := tls.Server(a, server), tls.Client(b, client)
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		if err := s.Handshake(); err != nil {
			done <- err
			return
		}
		_, err := s.Write([]byte{1})
		done <- err
	}()
	if clientErr = c.Handshake(); clientErr == nil {
		_, clientErr = c.Read(make([]byte, 1))
	}
	b.Close()
	serverErr = <-done
	return s.ConnectionState(), c.ConnectionState(), serverErr, clientErr
}

func anyone(pin, alpn string) error { return nil }

func TestTheTwoEndsKnowEachOtherByKey(t *testing.T) {
	t.Parallel()
	node, dealer := tlsIdentity(t, 1), tlsIdentity(t, 2)
	var asked string
	server := ServerConfig(node, func(pin, alpn string) error { asked = pin + " " + alpn; return nil }, "x/1", "http/1.1")
	ss, cs, serr, cerr := shake(t, server, ClientConfig(dealer, node.Pin(), "http/1.1"))
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	if asked != dealer.Pin()+" http/1.1" {
		t.Errorf("verify was asked for %q", asked)
	}
	if pin, ok := PinOf(ss); !ok || pin != dealer.Pin() {
		t.Errorf("the server sees %q", pin)
	}
	if pin, ok := PinOf(cs); !ok || pin != node.Pin() {
		t.Errorf("the client sees %q", pin)
	}
	if ss.Version != tls.VersionTLS13 || ss.DidResume || len(ss.PeerCertificates) != 1 {
		t.Errorf("version %x, resumed %v", ss.Version, ss.DidResume)
	}
}

func TestAnAnonymousClientIsAskedAboutAndHasNoPin(t *testing.T) {
	t.Parallel()
	node := tlsIdentity(t, 1)
	asked := "?"
	server := ServerConfig(node, func(pin, alpn string) error { asked = pin; return nil }, "http/1.1")
	ss, _, serr, cerr := shake(t, server, ClientConfig(nil, node.Pin(), "http/1.1"))
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	if _, ok := PinOf(ss); ok || asked != "" {
		t.Errorf("an anonymous client has pin %q", asked)
	}
}

func TestAServerWithAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	node, other := tlsIdentity(t, 1), tlsIdentity(t, 3)
	for _, want := range []string{other.Pin(), "", strings.ToUpper(node.Pin())} {
		_, _, _, err := shake(t, ServerConfig(node, anyone, "x/1"), ClientConfig(nil, want, "x/1"))
		if fault.Code(err) != "wrong_server_key" {
			t.Errorf("pin %q: %v", want, err)
		}
	}
}

func TestAServersRefusalReachesTheClient(t *testing.T) {
	t.Parallel()
	node, stranger := tlsIdentity(t, 1), tlsIdentity(t, 9)
	no := errors.New("not one of ours")
	server := ServerConfig(node, func(string, string) error { return no }, "x/1")
	_, _, serr, cerr := shake(t, server, ClientConfig(stranger, node.Pin(), "x/1"))
	if !errors.Is(serr, no) {
		t.Errorf("server: %v", serr)
	}
	if cerr == nil || !strings.Contains(cerr.Error(), "bad certificate") {
		t.Errorf("client: %v", cerr)
	}
}

func TestWhatNeverHandshakes(t *testing.T) {
	t.Parallel()
	node := tlsIdentity(t, 1)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	envelope := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, envelope, envelope, ecKey.Public(), ecKey)
	if err != nil {
		t.Fatal(err)
	}
	id := tlsIdentity(t, 2)
	with := func(change func(*tls.Config)) *tls.Config {
		c := ClientConfig(id, node.Pin(), "x/1")
		change(c)
		return c
	}
	for name, client := range map[string]*tls.Config{
		"TLS 1.2": with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }),
		"an ECDSA key": with(func(c *tls.Config) {
			c.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: ecKey}}
		}),
		"a chain":                with(func(c *tls.Config) { c.Certificates[0].Certificate = append(c.Certificates[0].Certificate, der) }),
		"an unknown protocol":    with(func(c *tls.Config) { c.NextProtos = []string{"h2"} }),
		"another's certificate":  with(func(c *tls.Config) { c.Certificates[0].PrivateKey = tlsIdentity(t, 7).private }),
		"a server without a key": nil,
	} {
		server := ServerConfig(node, anyone, "x/1")
		if client == nil {
			client = ClientConfig(id, node.Pin(), "x/1")
			server = ServerConfig(nil, anyone, "x/1")
		}
		if _, _, serr, cerr := shake(t, server, client); serr == nil || cerr == nil {
			t.Errorf("%s was let in (server: %v, client: %v)", name, serr, cerr)
		}
	}
}

// A server that offers no ALPN at all must not pass as one that speaks ours.
func TestAServerMustSpeakTheProtocol(t *testing.T) {
	t.Parallel()
	node := tlsIdentity(t, 1)
	_, _, _, err := shake(t, ServerConfig(node, anyone), ClientConfig(nil, node.Pin(), "x/1"))
	if fault.Code(err) != "tls_protocol" {
		t.Error(err)
	}
}

func TestNoDateStopsAHandshake(t *testing.T) {
	t.Parallel()
	node := tlsIdentity(t, 1)
	for _, year := range []int{1900, 2500, 12000} {
		now := func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
		server, client := ServerConfig(node, anyone, "x/1"), ClientConfig(tlsIdentity(t, 2), node.Pin(), "x/1")
		server.Time, client.Time = now, now
		if _, _, serr, cerr := shake(t, server, client); serr != nil || cerr != nil {
			t.Errorf("in %d: %v, %v", year, serr, cerr)
		}
	}
}

func TestPin(t *testing.T) {
	t.Parallel()
	id := tlsIdentity(t, 1)
	if len(id.Pin()) != 88 || PinSize != 88 {
		t.Fatalf("a pin of %d digits", len(id.Pin()))
	}
	// The pin is what any other tool shows as the public key.
	spki, err := x509.MarshalPKIXPublicKey(id.private.Public())
	if err != nil || hex.EncodeToString(spki) != id.Pin() {
		t.Errorf("%x, %v", spki, err)
	}
	public, err := ParsePin(id.Pin())
	if err != nil || !bytes.Equal(public, id.private.Public().(ed25519.PublicKey)) {
		t.Errorf("%x, %v", public, err)
	}
	for _, s := range []string{fmt.Sprint(id), fmt.Sprintf("%+v", id), fmt.Sprintf("%#v", id)} {
		if s != id.Pin() {
			t.Errorf("printed as %q", s)
		}
	}
	zero := strings.Repeat("0", 64)
	for s, code := range map[string]string{
		"":                            "pin_form",
		id.Pin()[:87]:                 "pin_form",
		id.Pin() + "0":                "pin_form",
		id.Pin()[24:]:                 "pin_form",
		strings.ToUpper(id.Pin()):     "pin_form",
		" " + id.Pin()[1:]:            "pin_form",
		"302b" + id.Pin()[4:]:         "pin_form",
		pinPrefix + id.Pin()[:64]:     "",
		pinPrefix + zero:              "key_weak",
		pinPrefix + "01" + zero[2:]:   "key_weak",
		pinPrefix + "ee" + f62 + "7f": "key_weak", // y = p + 1
	} {
		_, err := ParsePin(s)
		if code != "" && fault.Code(err) != code || code == "" && err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := NewTLSIdentity(make([]byte, 31)); fault.Code(err) != "key_form" {
		t.Error(err)
	}
}

var f62 = strings.Repeat("f", 60)

func TestPossessionOfATLSKey(t *testing.T) {
	t.Parallel()
	id, other := tlsIdentity(t, 1), tlsIdentity(t, 2)
	proof := id.Possess("log.example/1", "dealer.example/lyon")
	if !PinPossessed(id.Pin(), "log.example/1", "dealer.example/lyon", proof) {
		t.Error("a proof of possession is refused")
	}
	if PinPossessed(other.Pin(), "log.example/1", "dealer.example/lyon", proof) ||
		PinPossessed(id.Pin(), "log.example/2", "dealer.example/lyon", proof) ||
		PinPossessed(id.Pin(), "log.example/1", "dealer.example/paris", proof) ||
		PinPossessed("", "log.example/1", "dealer.example/lyon", proof) {
		t.Error("a proof of possession serves for something else")
	}
}

func FuzzParsePin(f *testing.F) {
	f.Add(tlsIdentity(f, 1).Pin())
	f.Add(pinPrefix)
	f.Add(strings.Repeat("f", 88))
	f.Fuzz(func(t *testing.T, s string) {
		public, err := ParsePin(s)
		if err == nil && (formatPin(public) != s || len(public) != 32) {
			t.Errorf("%q was read as %x", s, public)
		}
	})
}
