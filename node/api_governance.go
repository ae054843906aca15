package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// GovernanceAnswer is how the log is governed, as a node knows it. It is no
// proof: every proof file carries the history that shows it.
type GovernanceAnswer struct {
	Origin    string           `json:"origin"`
	Size      uint64           `json:"size"` // of the cosigned tree that History is complete up to
	Governors []GovernorAnswer `json:"governors"`
	Threshold int              `json:"threshold"`
	Nodes     []NodeAnswer     `json:"nodes"` // sorted by id
	Rules     int64            `json:"rules_version"`
	Types     []string         `json:"types"` // that the rules know
	Level     int64            `json:"feature_level"`
	Policy    string           `json:"policy"`
	Policies  int              `json:"policies"`         // how many there have been
	Closed    string           `json:"closed,omitempty"` // origin of the log that follows
	Last      string           `json:"last"`             // leaf hash of the newest record
	History   []HistoryEntry   `json:"history,omitempty"`
}

// GovernorAnswer is one governor.
type GovernorAnswer struct {
	Name  string `json:"name"`
	Key   string `json:"key"` // verifier key
	KeyID string `json:"key_id"`
}

// NodeAnswer is one node as governance registered it.
type NodeAnswer struct {
	ID       string `json:"id"`
	Member   string `json:"member"`
	Address  string `json:"address"`
	Log      string `json:"log_key"`
	Cosigner string `json:"cosigner_key"`
	TLS      string `json:"tls_key"`
}

// MemberAnswer is a member as a node knows it.
type MemberAnswer struct {
	Name      string              `json:"name"`
	LegalName string              `json:"legal_name"`
	Kinds     []string            `json:"kind"`
	Country   string              `json:"country"`
	Zone      string              `json:"zone"`
	WMI       []string            `json:"wmi,omitempty"`
	ValidFrom string              `json:"valid_from"`
	ValidTo   string              `json:"valid_to,omitempty"`
	Suspended *SuspendedAnswer    `json:"suspended,omitempty"`
	Keys      []KeyAnswer         `json:"keys"`
	Roles     map[string][]string `json:"roles,omitempty"` // by actor
	Last      string              `json:"last"`            // leaf hash of the newest record of its history
	History   []HistoryEntry      `json:"history,omitempty"`
}

// SuspendedAnswer says since when a member is suspended, and why.
type SuspendedAnswer struct {
	Index  uint64 `json:"index"`
	Since  string `json:"since"` // log time
	Reason string `json:"reason"`
}

// KeyAnswer is one key of a member.
type KeyAnswer struct {
	ID       string         `json:"key_id"`
	Use      string         `json:"use"`
	Public   string         `json:"public"` // verifier key, or the pin of a TLS key
	Actor    string         `json:"actor,omitempty"`
	Device   *verify.Device `json:"device,omitempty"`
	State    string         `json:"state"` // live, or the reason of its revocation
	Index    uint64         `json:"index"` // of its registration
	Ended    *uint64        `json:"ended,omitempty"`
	Since    string         `json:"since,omitempty"`     // of a compromised key
	Fell     string         `json:"fell_with,omitempty"` // key ID of the compromised admin key that it fell with
	Reported string         `json:"reported,omitempty"`  // by whom and when
}

func governanceAnswer(a *verify.Authority) *GovernanceAnswer {
	g := a.Governance
	out := &GovernanceAnswer{
		Origin: a.Origin, Threshold: g.Threshold, Rules: g.Rules.Version, Types: slices.Clone(g.Rules.Types), Level: g.Level,
		Policy: g.Policy, Policies: len(g.Policies), Closed: g.Closed, Last: g.Last, Governors: []GovernorAnswer{}, Nodes: []NodeAnswer{},
	}
	for _, v := range g.Governors {
		out.Governors = append(out.Governors, GovernorAnswer{v.Name, v.Key.VKey, v.Key.ID})
	}
	for _, n := range g.Nodes {
		out.Nodes = append(out.Nodes, NodeAnswer{n.ID, n.Member, n.Address, n.Log.VKey, n.Cosigner.VKey, n.TLS.VKey})
	}
	slices.SortFunc(out.Nodes, func(a, b NodeAnswer) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func memberAnswer(m *verify.Member) *MemberAnswer {
	out := &MemberAnswer{
		Name: m.Name, LegalName: m.LegalName, Kinds: slices.Clone(m.Kinds), Country: m.Country, Zone: m.Zone, WMI: slices.Clone(m.WMI),
		ValidFrom: m.ValidFrom, ValidTo: m.ValidTo, Keys: []KeyAnswer{}, Last: m.Last,
	}
	if s := m.Suspended; s != nil {
		out.Suspended = &SuspendedAnswer{s.Index, verify.FormatLogTime(s.Time), s.Reason}
	}
	for _, k := range m.Keys {
		v := KeyAnswer{ID: k.ID, Use: k.Use, Public: k.VKey, Actor: k.Actor, State: "live", Index: k.Index}
		if k.Device != nil {
			device := *k.Device
			v.Device = &device
		}
		if r := k.Revoked; r != nil {
			ended := r.Index
			v.State, v.Ended, v.Since, v.Fell = r.Reason, &ended, r.Since, r.Via
			v.Reported = fmt.Sprintf("by %s on %s", r.By, verify.FormatLogTime(r.Time))
		}
		out.Keys = append(out.Keys, v)
	}
	if len(m.Roles) > 0 {
		out.Roles = map[string][]string{}
		for actor, roles := range m.Roles {
			out.Roles[actor] = slices.Clone(roles)
		}
	}
	return out
}

// getGovernance answers how the log is governed; ?history=true adds the
// records that made it so.
func (n *Node) getGovernance(w http.ResponseWriter, r *http.Request, c caller) error {
	return n.answerAuthority(w, r, record.Governance, func(a *verify.Authority, size uint64, history []HistoryEntry) (any, error) {
		if a.Governance == nil {
			return nil, fault.New("no_genesis", "", "the log has no genesis yet").WithHint("try again in a moment")
		}
		out := governanceAnswer(a)
		out.Size, out.History = size, history
		return out, nil
	})
}

// getMembers lists the members by name.
func (n *Node) getMembers(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := n.strict(r); err != nil {
		return err
	}
	out := []*MemberAnswer{}
	n.state.withAuthority(func(a *verify.Authority) {
		for _, m := range a.Members {
			out = append(out, memberAnswer(m))
		}
	})
	slices.SortFunc(out, func(a, b *MemberAnswer) int { return strings.Compare(a.Name, b.Name) })
	writeJSON(w, http.StatusOK, out)
	return nil
}

// getMember answers about one member; ?history=true adds the records that
// made it so. The slashes in its name are escaped.
func (n *Node) getMember(w http.ResponseWriter, r *http.Request, c caller) error {
	name := r.PathValue("name")
	if !certs.ValidName(name) {
		return fault.New("request_form", "name", "a member's name is expected, its slashes written as %2F")
	}
	return n.answerAuthority(w, r, record.MemberSubject(name), func(a *verify.Authority, _ uint64, history []HistoryEntry) (any, error) {
		m := a.Members[name]
		if m == nil {
			return nil, fault.New("no_member", "", "there is no member "+name)
		}
		out := memberAnswer(m)
		out.History = history
		return out, nil
	})
}

// getBridge answers with the tlog-proof of a seal, ?seal=<log index>, under
// the newest cosigned head: by it a verifier whose policy is newer than a
// proof file comes to the file's own head. It shows nothing but hashes, which
// the tiles show as well.
func (n *Node) getBridge(w http.ResponseWriter, r *http.Request, c caller) error {
	index, err := strconv.ParseUint(r.URL.Query().Get("seal"), 10, 62)
	if err != nil {
		return fault.New("request_form", "seal", "the log index of a seal is expected")
	}
	return n.withHead(func(h *head) error {
		if index >= h.size || !h.view.IsSeal(index+1) {
			return fault.New("no_record", "", "there is no seal at this log index under a cosigned head").
				WithHint("a proof file's seal says its log index; is the file of this log?")
		}
		data, err := receipt(h.view, index, h.note)
		if err != nil {
			return err
		}
		return writeText(w, plain, data)
	})
}

// answerAuthority reads the state of now and, if that is asked for, the
// history up to the published head. With ?consistency=strict the head covers
// all that was acknowledged, so that history and state are of one piece.
func (n *Node) answerAuthority(w http.ResponseWriter, r *http.Request, subject string, fn func(*verify.Authority, uint64, []HistoryEntry) (any, error)) error {
	withHistory := false
	if h := r.URL.Query().Get("history"); h != "" {
		var err error
		if withHistory, err = strconv.ParseBool(h); err != nil {
			return fault.New("request_form", "history", "true or false is expected")
		}
	}
	if err := n.strict(r); err != nil {
		return err
	}
	return n.withHead(func(h *head) error {
		var history []HistoryEntry
		if withHistory {
			f, err := fileHistory(h.view, subject, nil)
			if err != nil {
				return err
			}
			for _, e := range f.Entries {
				history = append(history, HistoryEntry{Index: e.Index, Time: e.Time, LeafHash: verify.Hex(e.Hash), Note: string(e.Note)})
			}
		}
		var out any
		var err error
		n.state.withAuthority(func(a *verify.Authority) { out, err = fn(a, h.size, history) })
		if err != nil {
			return err
		}
		w.Header().Set(sizeHeader, strconv.FormatUint(h.size, 10))
		writeJSON(w, http.StatusOK, out)
		return nil
	})
}

// Governance asks how the log is governed, including all that was
// acknowledged before; with history its records come too.
func (c *Client) Governance(ctx context.Context, history bool) (*GovernanceAnswer, error) {
	out := new(GovernanceAnswer)
	return out, c.getJSON(ctx, "/v1/governance?consistency=strict&history="+strconv.FormatBool(history), out)
}

// Members lists the members, including all that was acknowledged before.
func (c *Client) Members(ctx context.Context) ([]*MemberAnswer, error) {
	var out []*MemberAnswer
	err := c.getJSON(ctx, "/v1/members?consistency=strict", &out)
	return out, err
}

// Member asks about one member, like Governance. The error's code is
// no_member if there is none of this name.
func (c *Client) Member(ctx context.Context, name string, history bool) (*MemberAnswer, error) {
	out := new(MemberAnswer)
	return out, c.getJSON(ctx, "/v1/members/"+url.PathEscape(name)+"?consistency=strict&history="+strconv.FormatBool(history), out)
}

// Bridge fetches the tlog-proof of a seal under the newest head.
func (c *Client) Bridge(ctx context.Context, seal uint64) ([]byte, error) {
	return c.Get(ctx, "/v1/bridge?seal="+strconv.FormatUint(seal, 10))
}

func (c *Client) getJSON(ctx context.Context, path string, out any) error {
	data, err := c.Get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fault.New("unexpected", c.Address, "the node's answer cannot be read").Because(err)
	}
	return nil
}
