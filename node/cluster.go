package node

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// maxClusterFile is the cap on cluster.toml in bytes.
const maxClusterFile = 1 << 20

// Cluster is cluster.toml: who founds the log and who runs it. All nodes
// share one. What is in the log goes over it: this file serves to found a
// cluster and to find its nodes before the log is there.
type Cluster struct {
	Name     string         `toml:"name"`      // what the origin begins with
	Dir      string         `toml:"dir"`       // keys, founding and data, relative to the file
	Timeout  string         `toml:"timeout"`   // how long without a leader before an election, such as "3s"
	Founding string         `toml:"founding"`  // the founding file; dir/founding.json if empty
	Trust    string         `toml:"policy"`    // the trust policy file; dir/trust.policy if empty
	Governs  Governs        `toml:"governors"` // who decides
	Members  []MemberConfig `toml:"member"`
	Nodes    []NodeConfig   `toml:"node"`
	// CentralSupport is the founding member that acts for the makers that are
	// no members; there may be none.
	CentralSupport string `toml:"central_support"`

	path string
}

// Governs names the governors and how many of them must sign.
type Governs struct {
	Names     []string `toml:"names"`
	Threshold int      `toml:"threshold"`
}

// MemberConfig is a founding member.
type MemberConfig struct {
	Name      string   `toml:"name"`
	LegalName string   `toml:"legal_name"`
	Kind      []string `toml:"kind"`
	Country   string   `toml:"country"`
	Zone      string   `toml:"zone"`
	Admins    []string `toml:"admins"` // at least two
	WMI       []string `toml:"wmi"`
}

// NodeConfig is a founding node.
type NodeConfig struct {
	ID      string `toml:"id"`
	Member  string `toml:"member"`
	Address string `toml:"address"` // host:port that the others reach
	Listen  string `toml:"listen"`  // address to listen on; Address if empty
	Votes   bool   `toml:"votes"`   // false: it only keeps a copy and cosigns
	TLSKey  string `toml:"tls_key"` // pin of a node that the founding does not know, or that has another key by now
}

// LoadCluster reads and checks cluster.toml.
func LoadCluster(path string) (*Cluster, error) {
	hint := "name it with --config, or set MILEPOST_CONFIG"
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.New("config", path, "cannot be read").Because(errors.Unwrap(err)).WithHint(hint)
	}
	if info.Size() > maxClusterFile {
		return nil, fault.New("config", path, "it is larger than a cluster file may be")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New("config", path, "cannot be read").Because(err).WithHint(hint)
	}
	c, err := ParseCluster(data)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) {
			f.Where = strings.TrimSuffix(path+": "+f.Where, ": ")
		}
		return nil, err
	}
	c.path = path
	return c, nil
}

// ParseCluster reads the text of a cluster file. Unknown keys are errors.
func ParseCluster(data []byte) (*Cluster, error) {
	c := &Cluster{Dir: "cluster", Timeout: "3s"}
	d := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		e := fault.New("config", "", "it is not a cluster file")
		var strict *toml.StrictMissingError
		var syntax *toml.DecodeError
		switch {
		case errors.As(err, &strict) && len(strict.Errors) > 0:
			row, _ := strict.Errors[0].Position()
			e.Where = fmt.Sprintf("line %d", row)
			e.What = fmt.Sprintf("the key %q is unknown", strings.Join(strict.Errors[0].Key(), "."))
			e.Hint = "the README explains every key of cluster.toml"
		case errors.As(err, &syntax):
			row, col := syntax.Position()
			e.Where = fmt.Sprintf("line %d, column %d", row, col)
			e.Err = errors.New(strings.TrimPrefix(syntax.Error(), "toml: "))
		default:
			e.Err = err
		}
		return nil, e
	}
	return c, c.check()
}

func (c *Cluster) check() error {
	bad := func(at, format string, args ...any) error {
		return fault.New("config", at, fmt.Sprintf(format, args...))
	}
	if !certs.ValidName(c.Name) {
		return bad("name", "%q is not a name such as milepost.example/demo", c.Name)
	}
	if d, err := parseTimeout(c.Timeout); err != nil || d <= 0 {
		return bad("timeout", "%q is not a duration from 100ms to 60s", c.Timeout)
	}
	if n := len(c.Governs.Names); n == 0 || c.Governs.Threshold < 1 || c.Governs.Threshold > n {
		return bad("governors", "a threshold from 1 to the number of governors (%d) is needed, not %d", n, c.Governs.Threshold)
	}
	names := map[string]bool{}
	for i, g := range c.Governs.Names {
		if !certs.ValidName(g) || names[g] {
			return bad(fmt.Sprintf("governors.names[%d]", i), "%q is not a name, or is there twice", g)
		}
		names[g] = true
	}
	members := map[string]bool{}
	central := c.CentralSupport == ""
	for i, m := range c.Members {
		central = central || m.Name == c.CentralSupport && slices.Contains(m.Kind, "MFR")
		at := fmt.Sprintf("member[%d]", i)
		if !certs.ValidName(m.Name) || members[m.Name] {
			return bad(at+".name", "%q is not a name such as dealer.example/lyon, or is there twice", m.Name)
		}
		members[m.Name] = true
		if len(m.Admins) < 2 {
			return bad(at+".admins", "a member has at least two administrators")
		}
	}
	if !central {
		return bad("central_support", "%q is not one of the members, or not of kind MFR", c.CentralSupport)
	}
	ids, addresses := map[string]bool{}, map[string]bool{}
	voters := 0
	for i, n := range c.Nodes {
		at := fmt.Sprintf("node[%d]", i)
		switch {
		case n.ID == "" || ids[n.ID] || !codeID(n.ID):
			return bad(at+".id", "%q is not an id (a-z, 0-9 and _), or is there twice", n.ID)
		case !members[n.Member]:
			return bad(at+".member", "%q is not one of the members above", n.Member)
		case !validAddress(n.Address) || addresses[n.Address]:
			return bad(at+".address", "%q is not host:port, or is there twice", n.Address)
		case n.Listen != "" && !validAddress(n.Listen):
			return bad(at+".listen", "%q is not host:port", n.Listen)
		case n.TLSKey != "" && !validPin(n.TLSKey):
			return bad(at+".tls_key", "%.20q... is not the pin of a TLS key", n.TLSKey)
		}
		ids[n.ID], addresses[n.Address] = true, true
		if n.Votes {
			voters++
		}
	}
	if voters == 0 {
		return bad("node", "at least one node must vote")
	}
	return nil
}

func codeID(s string) bool {
	return len(s) <= 32 && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// ValidID reports whether a text may be a node's id: a letter, then a-z, 0-9
// and _, 32 at most.
func ValidID(s string) bool { return s != "" && codeID(s) }

func validAddress(s string) bool {
	_, _, err := SplitAddress(s)
	return err == nil
}

// SplitAddress takes host and port of an address apart; both must be there.
func SplitAddress(s string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s)
	port, perr := strconv.Atoi(text)
	if err != nil || host == "" || perr != nil || port <= 0 || port > 65535 {
		return "", 0, fault.New("usage", "", fmt.Sprintf("%q is not host:port", s)).WithHint("such as node.dealer.example:7401")
	}
	return host, port, nil
}

func validPin(s string) bool {
	_, err := certs.ParsePin(s)
	return err == nil
}

// Node returns the entry of a node, or why there is none.
func (c *Cluster) Node(id string) (*NodeConfig, error) {
	var ids []string
	for i := range c.Nodes {
		if c.Nodes[i].ID == id {
			return &c.Nodes[i], nil
		}
		ids = append(ids, c.Nodes[i].ID)
	}
	return nil, fault.New("config", c.path, fmt.Sprintf("it has no node %q", id)).
		WithHint("its nodes are " + strings.Join(ids, ", "))
}

// Path returns a path below the cluster's directory.
func (c *Cluster) Path(elem ...string) string {
	dir := c.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(c.path), dir)
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

// SetDir moves keys, founding and data elsewhere (flag or environment).
func (c *Cluster) SetDir(dir string) { c.Dir = dir; c.path = "./" }

// FoundingPath is where the founding file is.
func (c *Cluster) FoundingPath() string {
	if c.Founding != "" {
		return c.Path(c.Founding)
	}
	return c.Path("founding.json")
}

// PolicyPath is where the trust policy is.
func (c *Cluster) PolicyPath() string {
	if c.Trust != "" {
		return c.Path(c.Trust)
	}
	return c.Path("trust.policy")
}

// DataPath is a node's data directory.
func (c *Cluster) DataPath(id string) string { return c.Path("data", id) }

func parseTimeout(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && (d < 100*time.Millisecond || d > time.Minute) {
		err = errors.New("out of range")
	}
	return d, err
}
