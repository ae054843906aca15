package thirdparty

import (
	"crypto/ed25519"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/milepost-log/milepost/node/embed"
)

// outside is litewitness, a witness that others run, in a process of its
// own.
type outside struct {
	vkey string
	url  string
}

const outsideName = "witness.example/lite"

// startOutside runs litewitness for one log, whose keys it is told.
func startOutside(t *testing.T, origin string, keys []string) *outside {
	t.Helper()
	// It is a tool of this module: -n builds it and says where it is.
	path, err := exec.Command("go", "tool", "-n", "litewitness").Output()
	must(t, err)
	dir := t.TempDir()
	public, private, err := ed25519.GenerateKey(nil)
	must(t, err)
	v, err := torchwood.NewCosignatureVerifierFromKey(outsideName, public)
	must(t, err)
	serveAgent(t, filepath.Join(dir, "agent"), private)
	enrol(t, filepath.Join(dir, "db"), origin, keys)
	fingerprint, err := ssh.NewPublicKey(public)
	must(t, err)
	address, err := embed.FreeAddress()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), strings.TrimSpace(string(path)), "-name", outsideName, "-listen", address,
		"-key", ssh.FingerprintSHA256(fingerprint), "-ssh-agent", filepath.Join(dir, "agent"), "-db", filepath.Join(dir, "db"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var said strings.Builder
	cmd.Stderr = &said
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { <-ended }) // the test's context is done by then
	// It does not say when it begins to listen.
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return &outside{v.String(), "http://" + address + "/add-checkpoint"}
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("litewitness ended: %s", &said)
		}
	}
}

// serveAgent is the ssh-agent that litewitness asks to sign.
func serveAgent(t *testing.T, path string, key ed25519.PrivateKey) {
	t.Helper()
	ring := agent.NewKeyring()
	must(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, conn)
		}
	}()
}

// enrol does what `witnessctl add-log` and `add-key` do, which are in a
// program of their own.
func enrol(t *testing.T, path, origin string, keys []string) {
	t.Helper()
	db, err := sqlite.OpenConn(path)
	must(t, err)
	defer db.Close()
	must(t, sqlitex.ExecuteScript(db, `
		CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);
		CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));
		CREATE TABLE bastion (origin TEXT NOT NULL, bastion TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));`, nil))
	const ofNothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" // SHA-256 of the empty string
	must(t, sqlitex.Execute(db, "INSERT INTO log VALUES (?, 0, ?)", &sqlitex.ExecOptions{Args: []any{origin, ofNothing}}))
	for _, k := range keys {
		must(t, sqlitex.Execute(db, "INSERT INTO key VALUES (?, ?)", &sqlitex.ExecOptions{Args: []any{origin, k}}))
	}
}
