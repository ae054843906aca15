package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

func nodeInitCommand() *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "set up one firm's node: keys, cluster file, and the request for the governors",
		Description: "Needs two files of any node of the log: its cluster.toml and its founding.json; neither is secret. Whatever is not\n" +
			"given by a flag is asked for on a terminal. Nothing that is there is overwritten, and doing it again is safe.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "the cluster `FILE` of another node"},
			&cli.StringFlag{Name: "founding", Usage: "the founding `FILE` of another node"},
			&cli.StringFlag{Name: "fingerprint", Usage: "the log's `FINGERPRINT`, as the consortium publishes it: all digits, or the first eight"},
			&cli.StringFlag{Name: "member", Usage: "the `MEMBER` that runs the node"},
			&cli.StringFlag{Name: "admins", Usage: "the member's administrators, if the cluster file does not know it: `a,b`"},
			&cli.StringFlag{Name: "node", Usage: "the node's `ID`: a-z, 0-9 and _"},
			&cli.StringFlag{Name: "address", Usage: "`HOST:PORT` that the other nodes reach"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to listen on, if it is another one"},
			&cli.StringFlag{Name: "to", Value: "milepost", Usage: "the `DIR`ectory to set it up in"},
			&cli.BoolFlag{Name: "ask", Usage: "ask for what is missing even if the input is no terminal"},
		},
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, "no arguments"); err != nil {
				return err
			}
			return (&setup{c: c, p: newPrompter(c)}).run()
		},
	}
}

// setup is one node in the making.
type setup struct {
	c *cli.Context
	p *prompter

	cl       *node.Cluster // as the other node has it
	text     string        // of its file
	data     []byte        // of the founding file
	founding *node.Founding
	entry    node.NodeConfig
	known    bool     // the cluster file has the node already
	admins   []string // of a member that it does not know
	dir      string
}

func (s *setup) run() error {
	for _, step := range []func() error{s.askCluster, s.askFounding, s.askMember, s.askID, s.askAddress, s.askDir, s.make} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *setup) askCluster() error {
	_, err := s.p.ask("from", "The cluster file of another node (its cluster.toml)", "", func(v string) (err error) {
		if s.cl, err = node.LoadCluster(v); err == nil {
			var data []byte
			data, err = os.ReadFile(v)
			s.text = string(data)
		}
		return err
	})
	return err
}

func (s *setup) askFounding() error {
	def := ""
	if _, err := os.Stat(s.cl.FoundingPath()); err == nil {
		def = s.cl.FoundingPath()
	}
	_, err := s.p.ask("founding", "The founding file (its founding.json)", def, func(v string) (err error) {
		if s.founding, err = node.ReadFounding(v); err != nil {
			return err
		}
		if path.Dir(s.founding.Origin) != s.cl.Name {
			return fault.New("founding", v, "it is of "+s.founding.Origin+", the cluster file of "+s.cl.Name).WithHint("take both files from the same node")
		}
		s.data, err = os.ReadFile(v)
		return err
	})
	if err != nil {
		return err
	}
	full := record.Fingerprint(s.founding.Origin)
	_, err = s.p.ask("fingerprint", "The log's fingerprint, as the consortium publishes it (all digits, or the first eight)", "", func(v string) error {
		bare := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
		if v := bare(v); len(v) < 8 || !strings.HasPrefix(bare(full), v) {
			return fault.New("fingerprint", "", "the founding file is of a log with another fingerprint: "+full).
				WithHint("look at what the consortium publishes, not at what came with the file; if they differ, do not go on")
		}
		return nil
	})
	return err
}

func (s *setup) askMember() error {
	names := memberNames(s.cl)
	s.p.say("Members in the cluster file: %s", strings.Join(names, ", "))
	member, err := s.p.ask("member", "The member that runs this node", "", func(v string) error {
		if !certs.ValidName(v) {
			return fault.New("usage", "", fmt.Sprintf("%q is not a name such as dealer.example/lyon", v))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.entry.Member = member
	if slices.Contains(names, member) {
		return nil
	}
	_, err = s.p.ask("admins", member+" is not in the cluster file. Its administrators, two at least", "chief,deputy", func(v string) error {
		if s.admins = splitNames(v); len(s.admins) < 2 || slices.ContainsFunc(s.admins, func(a string) bool { return !certs.ValidName(a) }) {
			return fault.New("usage", "", "two names at least are needed, with commas between them")
		}
		return nil
	})
	return err
}

func (s *setup) askID() error {
	def := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, path.Base(s.entry.Member))
	for _, n := range s.cl.Nodes {
		if n.Member == s.entry.Member {
			def = n.ID
		}
	}
	id, err := s.p.ask("node", "The node's id: a-z, 0-9 and _", def, func(v string) error {
		s.known = false
		for _, n := range s.cl.Nodes {
			if n.ID != v {
				continue
			}
			if n.Member != s.entry.Member {
				return fault.New("usage", "", fmt.Sprintf("node %q is run by %s already", v, n.Member)).WithHint("choose another id; ids are never used twice")
			}
			s.known, s.entry = true, n
		}
		if !node.ValidID(v) {
			return fault.New("usage", "", fmt.Sprintf("%q is not an id: a letter, then a-z, 0-9 and _, 32 at most", v))
		}
		return nil
	})
	s.entry.ID = id
	return err
}

func (s *setup) askAddress() error {
	address, err := s.p.ask("address", "host:port that the other nodes reach", s.entry.Address, func(v string) error {
		host, _, err := node.SplitAddress(v)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			return fault.New("usage", "", v+" is no address that others reach").WithHint("give the name or address by which they reach this machine; what it listens on comes next")
		}
		for _, n := range s.cl.Nodes {
			if n.Address == v && n.ID != s.entry.ID {
				return fault.New("usage", "", fmt.Sprintf("%s is the address of node %s", v, n.ID)).WithHint("choose another port, or another host")
			}
		}
		if s.known && v != s.entry.Address {
			return fault.New("usage", "", fmt.Sprintf("the cluster file says that node %s is at %s", s.entry.ID, s.entry.Address)).WithHint("all nodes share that file: have it changed there first (docs/governance.md, Move a node)")
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.entry.Address = address
	def := s.entry.Listen
	if _, port, _ := net.SplitHostPort(address); def == "" {
		if def = address; canListen(address) != nil {
			def = net.JoinHostPort("0.0.0.0", port)
		}
	}
	listen, err := s.p.ask("listen", "host:port to listen on here", def, func(v string) error {
		if _, _, err := node.SplitAddress(v); err != nil {
			return err
		}
		return canListen(v)
	})
	if s.entry.Listen = listen; listen == address {
		s.entry.Listen = ""
	}
	return err
}

// canListen tries a port.
func canListen(address string) error {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.New("listen", address, "a program listens there already").WithHint("choose another port, or stop that program")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.New("listen", address, "it is no address of this machine").WithHint("0.0.0.0 listens on all of them")
	}
	return fault.New("listen", address, "it can't be listened on").Because(errors.Unwrap(err)).WithHint("ports below 1024 need rights that a node should not have: choose a higher one")
}

func (s *setup) askDir() error {
	_, err := s.p.ask("to", "The directory to set it up in", s.c.String("to"), func(v string) (err error) {
		if s.dir, err = filepath.Abs(v); err != nil {
			return err
		}
		if info, err := os.Stat(s.dir); err == nil && !info.IsDir() {
			return fault.New("file", v, "it is no directory")
		}
		have, err := os.ReadFile(filepath.Join(s.dir, "cluster.toml"))
		if err == nil && string(have) != s.clusterText() {
			return fault.New("file_exists", filepath.Join(v, "cluster.toml"), "there is another cluster file already").WithHint("choose another directory, or change that file by hand")
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.New("file", v, "it cannot be read").Because(bare(err))
		}
		return nil
	})
	return err
}

// clusterText is the other node's cluster file, word by word, with this node
// at its end if it was not there.
func (s *setup) clusterText() string {
	text := s.text
	if s.admins != nil {
		text += fmt.Sprintf("\n[[member]]\nname = %q\nadmins = [\"%s\"]\n", s.entry.Member, strings.Join(s.admins, `", "`))
	}
	if !s.known {
		text += fmt.Sprintf("\n[[node]]\nid = %q\nmember = %q\naddress = %q\n", s.entry.ID, s.entry.Member, s.entry.Address)
		if s.entry.Listen != "" {
			text += fmt.Sprintf("listen = %q\n", s.entry.Listen)
		}
		text += "votes = false # the governors decide that later\n"
	}
	return text
}

// make writes what was asked for. Whatever is there already is left as it is,
// so that it can be done again after it broke off.
func (s *setup) make() error {
	registered := false
	for _, g := range s.founding.Genesis.Body.Get("nodes").List {
		registered = registered || g.Get("id").Str == s.entry.ID
	}
	text := s.clusterText()
	if _, err := node.ParseCluster([]byte(text)); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fault.New("file", s.dir, "the directory cannot be made").Because(bare(err))
	}
	file := filepath.Join(s.dir, "cluster.toml")
	if err := write(s.c, file, []byte(text)); err != nil {
		return err
	}
	cl, err := node.LoadCluster(file)
	if err != nil {
		return err
	}
	if registered {
		if _, err := os.Stat(cl.KeyPath("node/"+s.entry.ID, keyfile.UseLog)); err != nil {
			return fault.New("node_known", s.entry.ID, "the log has keys of this node already, and they are not in "+cl.Path("keys")).
				WithHint("copy its three key files there; if they are lost, the governors must replace the node (docs/governance.md)")
		}
	}
	if err := os.MkdirAll(cl.Path(), 0o700); err != nil {
		return fault.New("file", cl.Path(), "the directory cannot be made").Because(bare(err))
	}
	for path, data := range map[string][]byte{cl.FoundingPath(): s.data, cl.PolicyPath(): []byte(verify.PolicyText(s.founding.Genesis))} {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := write(s.c, path, data); err != nil {
			return err
		}
	}
	a := &asking{c: s.c, cl: cl, origin: s.founding.Origin}
	q, err := node.NewRequest(node.AskNode, s.entry.ID, a.origin, s.entry.Details(), nil, a.source(false))
	if err != nil {
		return err
	}
	request := filepath.Join(s.dir, s.entry.ID+".request")
	if err := write(s.c, request, q.Bytes()); err != nil {
		return err
	}
	s.next(file, request, a.made, q, registered)
	return nil
}

// next says what was made, and exactly what comes next.
func (s *setup) next(file, request string, made []string, q *node.Request, registered bool) {
	out := func(format string, args ...any) { fmt.Fprintf(s.c.App.Writer, format+"\n", args...) }
	out("Node %s of %s is set up in %s:", s.entry.ID, logName(s.founding.Origin), s.dir)
	out("  %s", file)
	for _, m := range made {
		out("  %s   secret", m)
	}
	out("  %s   for the governors; not secret", request)
	out("")
	out("Next:")
	step := 0
	do := func(format string, args ...any) { step++; out("  %d. "+format, append([]any{step}, args...)...) }
	do("Keep a copy of the secret files in a safe place, off this machine.")
	if !registered {
		do("Send %s to the governors, and read them the key IDs by telephone:", filepath.Base(request))
		for _, k := range q.Keys {
			out("       %-9s %s", k.Use, keyID(k.Public))
		}
		out("     One of them: milepost member propose node.added --request %s --signers A,B -o added.proposal", filepath.Base(request))
		if s.admins != nil {
			out("     %s must have been admitted before (docs/governance.md, Admit a member).", s.entry.Member)
		}
	}
	do("Let the other nodes reach %s: open the port.", s.entry.Address)
	do("milepost doctor --config %s --node %s", file, s.entry.ID)
	when := "When the governors say that it is on the log: "
	if registered {
		when = ""
	}
	do("%smilepost node run --config %s --node %s", when, file, s.entry.ID)
}
