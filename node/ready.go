package node

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// maxBehindBy is how many leaves a node may lack and still say that it is ready.
const maxBehindBy = 10_000

// check is one thing that must be right for a node to take records.
type check struct {
	Name string // stable; docs/watching.md lists them
	Says string // how it stands, in words
	Err  error  // why it is not right; nil if it is
}

// checks looks at all that must be right for records to be sent here, in the
// order in which a person would look.
func (n *Node) checks() []check {
	newest, published, _ := n.heads.state()
	c := func(name, says string, err error) check {
		if err != nil {
			says = err.Error()
		}
		return check{name, says, err}
	}
	var running, leader, head, copied, clock, quorum error
	if n.stopping.Load() {
		running = errStopping
	}
	leads := n.leader()
	if leads == "" {
		leader = errNoLeader
	}
	if published == 0 {
		head = errNoHead
	}
	copySays := "this node's tree is up to date"
	most, of := n.furthest()
	if most > newest {
		copySays = fmt.Sprintf("this node's tree lacks %d leaves that %s has", most-newest, of)
		if most-newest > maxBehindBy {
			copied = fault.New("behind", "", copySays).WithHint("it catches up by itself; send to another node meanwhile")
		}
	}
	if n.leads() {
		clock = judgeClock(n.clocksSeen()) // what the leader would find if it were to propose now
	}
	p := n.policy()
	if wait := n.waited(); wait > 2*n.sightEvery && most <= published {
		quorum = fault.New("no_quorum", "", fmt.Sprintf("%d leaves have waited %s for %d of %d cosignatures%s",
			newest-published, wait.Round(time.Second), p.Quorum(), p.Of(), n.silentWords())).
			WithHint("start the nodes that are down; `milepost cluster status` says who does not cosign, and why")
	}
	return []check{
		c("running", "the node is up", running),
		c("data", "nothing on this node's disk is known to be damaged", n.damage.err()),
		c("leader", leads+" leads", leader),
		c("head", fmt.Sprintf("a tree head of %d leaves has its quorum", published), head),
		c("copy", copySays, copied),
		c("clock", "nothing is known against this node's clock", clock),
		c("disk", "there is room on the disk", n.roomErr()),
		c("quorum", fmt.Sprintf("%d of %d cosignatures come in time", p.Quorum(), p.Of()), quorum),
	}
}

// silentWords names those who do not cosign.
func (n *Node) silentWords() string {
	var names []string
	for _, s := range n.silent() {
		names = append(names, s.Node+" ("+s.Error.Code+")")
	}
	if len(names) == 0 {
		return ""
	}
	return "; none from " + strings.Join(names, ", ")
}

func (n *Node) getHealth(w http.ResponseWriter, r *http.Request, c caller) error {
	return writeText(w, plain, []byte("ok\n"))
}

// readyAnswer is /readyz as JSON.
type readyAnswer struct {
	Ready  bool          `json:"ready"`
	Node   string        `json:"node"`
	Checks []checkAnswer `json:"checks"`
}

type checkAnswer struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Code string `json:"code,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// getReady says whether records can be sent here, and if not, why not: as
// "ready" or an error like any other, or with ?format=text or json check by
// check, for a person or a program.
func (n *Node) getReady(w http.ResponseWriter, r *http.Request, c caller) error {
	format := r.URL.Query().Get("format")
	if format != "" && format != "text" && format != "json" {
		return fault.New("request_form", "format", "text or json is expected")
	}
	answer := readyAnswer{Ready: true, Node: n.id}
	var words strings.Builder
	var first error
	for _, c := range n.checks() {
		mark := "ok"
		if c.Err != nil {
			answer.Ready, mark = false, "NO"
			if first == nil {
				first = c.Err
			}
		}
		a := checkAnswer{Name: c.Name, OK: c.Err == nil, Says: c.Says}
		fmt.Fprintf(&words, "[%s] %-8s %s\n", mark, c.Name, c.Says)
		if c.Err != nil {
			a.Code, a.Hint = fault.Code(c.Err), fault.Hint(c.Err)
			fmt.Fprintf(&words, "     what to do: %s\n", a.Hint)
		}
		answer.Checks = append(answer.Checks, a)
	}
	status := http.StatusOK
	if !answer.Ready {
		if format == "" {
			return first
		}
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	switch format {
	case "json":
		writeJSON(w, status, answer)
		return nil
	case "text":
		fmt.Fprintf(&words, "%s\n", map[bool]string{true: "ready", false: "not ready"}[answer.Ready])
		w.Header().Set("Content-Type", plain)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(words.String())) // the caller may have gone
		return nil
	}
	return writeText(w, plain, []byte("ready\n"))
}
