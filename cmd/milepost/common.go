package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

var (
	configFlag = &cli.StringFlag{Name: "config", Value: "cluster.toml", EnvVars: []string{"MILEPOST_CONFIG"}, Usage: "the cluster `FILE`"}
	dirFlag    = &cli.StringFlag{Name: "dir", EnvVars: []string{"MILEPOST_DIR"}, Usage: "the `DIR`ectory of keys, founding and data, instead of the cluster file's"}
	nodeFlag   = &cli.StringFlag{Name: "node", EnvVars: []string{"MILEPOST_NODE"}, Usage: "the `ID` of the node; any that answers if not given"}
	asFlag     = &cli.StringFlag{Name: "as", EnvVars: []string{"MILEPOST_AS"}, Usage: "the `MEMBER` in whose name to act"}
	policyFlag = &cli.StringFlag{Name: "policy", EnvVars: []string{"MILEPOST_POLICY"}, Usage: "the trust policy `FILE`"}
	jsonFlag   = &cli.BoolFlag{Name: "json", Usage: "print JSON for programs"}
	grantFlag  = &cli.StringFlag{Name: "grant", EnvVars: []string{"MILEPOST_GRANT"}, Usage: "the `SECRET` of a grant's link, for who has no account"}
	outFlag    = &cli.StringFlag{Name: "o", Usage: "write to `FILE`; - is standard output"}
)

// clientFlags are the flags of commands that speak to a node.
func clientFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{configFlag, dirFlag, nodeFlag, asFlag}, more...)
}

func loadCluster(c *cli.Context) (*node.Cluster, error) {
	cl, err := node.LoadCluster(c.String("config"))
	if err != nil {
		return nil, err
	}
	if d := c.String("dir"); d != "" {
		if d, err = filepath.Abs(d); err != nil {
			return nil, err
		}
		cl.SetDir(d)
	}
	return cl, nil
}

// session is a connection with a node in the name of a member.
type session struct {
	cluster *node.Cluster
	client  *node.Client
	member  string
}

// dial finds a node that answers: the one that is named, or the first.
func dial(c *cli.Context, needMember bool) (*session, error) {
	return dialNamed(c, needMember, c.String("node"))
}

// dialAny finds any node that answers, whichever is named.
func dialAny(c *cli.Context) (*session, error) { return dialNamed(c, true, "") }

func dialNamed(c *cli.Context, needMember bool, named string) (*session, error) {
	cl, err := loadCluster(c)
	if err != nil {
		return nil, err
	}
	s := &session{cluster: cl, member: c.String("as")}
	if s.member == "" && needMember {
		return nil, fault.New("usage", "--as", "in which member's name?").WithHint("add --as NAME, or set MILEPOST_AS; members are " + strings.Join(memberNames(cl), ", "))
	}
	identities, err := s.identities(c)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, n := range cl.Nodes {
		ids = append(ids, n.ID)
	}
	if named != "" {
		ids = []string{named}
	}
	var last error
	for _, id := range ids {
		if last = s.reach(c, id, identities); last == nil {
			return s, nil
		}
		switch fault.Code(last) {
		case "unreachable", "pin_missing", "wrong_server_key":
		default:
			if named == "" {
				return nil, last
			}
		}
	}
	if named == "" {
		return nil, fault.New("unreachable", "", fmt.Sprintf("none of the %d nodes can be reached", len(ids))).Because(last).
			WithHint("are they running? `milepost node run --node " + ids[0] + "` starts one")
	}
	// A node that was added later, has moved, or has another key by now: the
	// others know what governance has registered for it.
	if s.locate(c, named, identities) {
		return s, nil
	}
	return nil, last
}

// identities are the TLS keys to come with: the one in use and, while a
// rotation is under way that broke off, the next one.
func (s *session) identities(c *cli.Context) (ids []*certs.TLSIdentity, err error) {
	if s.member == "" {
		return []*certs.TLSIdentity{nil}, nil
	}
	paths := []string{s.cluster.KeyPath(s.member, keyfile.UseTLS), s.cluster.NextKeyPath(s.member, keyfile.UseTLS)}
	for i, path := range paths {
		k, err := keyfile.ReadKeyFile(path, passphrase(c))
		if i == 1 && errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		id, err := k.TLS()
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// reach tries one node with each identity.
func (s *session) reach(c *cli.Context, id string, identities []*certs.TLSIdentity) (err error) {
	for _, identity := range identities {
		var client *node.Client
		if client, err = s.cluster.ClientAs(id, identity); err != nil {
			return err
		}
		if _, err = client.Get(c.Context, "/healthz"); err == nil {
			s.client = client
			return nil
		}
	}
	return err
}

// locate asks the other nodes for the address and key of one, and tries it.
func (s *session) locate(c *cli.Context, id string, identities []*certs.TLSIdentity) bool {
	for _, other := range s.cluster.Nodes {
		if other.ID == id || s.reach(c, other.ID, identities) != nil {
			continue
		}
		g, err := s.client.Governance(c.Context, false)
		if err != nil {
			continue
		}
		for _, n := range g.Nodes {
			for _, identity := range identities {
				if n.ID != id {
					continue
				}
				s.client = node.NewClient(n.Address, n.TLS, identity, nil)
				if _, err := s.client.Get(c.Context, "/healthz"); err == nil {
					return true
				}
			}
		}
	}
	return false
}

// again tries until a node gives an answer that is not "in a moment": after
// five seconds that one stands.
func again(c *cli.Context, try func() error) error {
	for i := 0; ; i++ {
		err := try()
		switch fault.Code(err) {
		case "no_leader", "overloaded", "rate_limited", "unknown", "behind", "no_head":
			if i < 20 {
				select {
				case <-time.After(250 * time.Millisecond):
					continue
				case <-c.Context.Done():
				}
			}
		}
		return err
	}
}

func memberNames(cl *node.Cluster) []string {
	var names []string
	for _, m := range cl.Members {
		names = append(names, m.Name)
	}
	return names
}

// signer reads the record key of a member.
func signer(c *cli.Context, cl *node.Cluster, member string) (certs.Signer, error) {
	path := c.String("key")
	if path == "" {
		path = cl.KeyPath(member, keyfile.UseRecord)
	}
	k, err := keyfile.ReadKeyFile(path, passphrase(c))
	if err != nil {
		return nil, err
	}
	return k.Signer()
}

// passphrase asks for a key file's passphrase: the file that
// MILEPOST_PASSPHRASE_FILE names, or the terminal.
func passphrase(c *cli.Context) func() ([]byte, error) {
	return func() ([]byte, error) {
		if path := os.Getenv("MILEPOST_PASSPHRASE_FILE"); path != "" {
			b, err := readCapped(path, 4096)
			return []byte(strings.TrimRight(string(b), "\r\n")), err
		}
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return nil, fault.New("key_passphrase", "", "the key file has a passphrase, and there is no terminal to ask on").
				WithHint("set MILEPOST_PASSPHRASE_FILE to a file that holds it")
		}
		fmt.Fprint(c.App.ErrWriter, "passphrase: ")
		b, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(c.App.ErrWriter)
		return b, err
	}
}

// readCapped reads a file, or standard input for "-", of at most max bytes.
func readCapped(path string, max int64) ([]byte, error) {
	var in io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fault.New("file", path, "it cannot be read").Because(errors.Unwrap(err))
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, max+1))
	if err != nil {
		return nil, fault.New("file", path, "it cannot be read").Because(err)
	}
	if int64(len(data)) > max {
		return nil, fault.New("too_large", path, fmt.Sprintf("it is larger than %d bytes", max))
	}
	return data, nil
}

// write puts data where -o says.
func write(c *cli.Context, path string, data []byte) error {
	if path == "" || path == "-" {
		_, err := c.App.Writer.Write(data)
		return err
	}
	return writeFile(path, data, 0o644)
}

// writeFile writes a file of a mode. It appears whole or not at all.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".milepost-*")
	if err != nil {
		return fault.New("file", path, "it cannot be written").Because(errors.Unwrap(err))
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fault.New("file", path, "it cannot be written").Because(err)
	}
	return nil
}

// loadPolicy reads the trust policy that a check is made against.
func loadPolicy(c *cli.Context) (*verify.Policy, error) {
	path := c.String("policy")
	if path == "" {
		return nil, fault.New("usage", "--policy", "whose signatures make a file true?").
			WithHint("add --policy FILE: the trust policy that the consortium publishes")
	}
	return readPolicy(path)
}

func readPolicy(path string) (*verify.Policy, error) {
	text, err := readCapped(path, verify.MaxPolicy)
	if err != nil {
		return nil, err
	}
	p, err := verify.ParsePolicy(text)
	if err != nil {
		return nil, fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
	}
	return p, nil
}

// isTerminal reports whether a person reads what is written to a stream, or
// types what is read from it.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
