package verify

import (
	"fmt"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// Follow derives from an old policy the one that is in force at the end of a
// proof file's governance history, by the file's bridges, and says each step
// in words. There are none if the policy never changed. The whole file must
// verify under the old policy, and now is the caller's clock. Errors are those
// of Verify, policy_unknown if the log never published the old policy as far
// as the file shows, and bridge_missing if the bridges stop short.
func Follow(old *Policy, file []byte, now time.Time) (*Policy, []string, error) {
	r := Verify(file, Options{Policy: old, Now: now, AllowWithheld: true})
	if r.Failure != nil {
		return nil, r.PolicySteps, r.Failure
	}
	switch g := r.Governance; {
	case !contains(g.Policies, policyHash(old.Text())):
		return nil, nil, fault.New("policy_unknown", "", "this policy is none of those that the log published up to where the file ends").
			WithHint("take a newer file; a policy that was written by hand leads nowhere")
	case r.Policy.Text() != g.Policy:
		return nil, r.PolicySteps, fault.New("bridge_missing", "bridges", "the log has a newer policy than these bridges lead to").
			WithHint("ask a node for a file that has them")
	}
	return r.Policy, r.PolicySteps, nil
}

// policyStep says how a record changed the policy, and who vouches for it.
func policyStep(s *shown, old, next *Policy, under *Head) string {
	says := fmt.Sprintf("%s at log index %d (%s)", s.rec.Type, s.entry.Index, FormatLogTime(s.entry.Time))
	if id := s.rec.Body.Get("id").Str; id != "" {
		says += ", node " + id
	}
	says += fmt.Sprintf(": quorum %d of %d, was %d of %d", next.Quorum(), next.Of(), old.Quorum(), old.Of())
	for _, d := range []struct {
		word   string
		of, in *Policy
	}{{"added", next, old}, {"dropped", old, next}} {
		if keys := missing(d.of, d.in); len(keys) > 0 {
			says += "; " + d.word + " " + strings.Join(keys, ", ")
		}
	}
	return says + fmt.Sprintf("; under tree size %d, signed by %d of %d of before", under.Size, under.Signed, under.Of)
}

// missing names the keys of a policy that another one lacks.
func missing(of, in *Policy) (names []string) {
	have := map[string]bool{}
	for _, l := range in.logs {
		have[l.VKey()] = true
	}
	for _, w := range in.witnesses {
		have[w.Key.VKey()] = true
	}
	for _, l := range of.logs {
		if !have[l.VKey()] {
			names = append(names, fmt.Sprintf("log key %08x", l.ID()))
		}
	}
	for _, w := range of.witnesses {
		if !have[w.Key.VKey()] {
			names = append(names, fmt.Sprintf("witness %+q (key %08x)", clip(w.Name), w.Key.ID()))
		}
	}
	return names
}
