package answers

// How a warranty cover stands.
const (
	CoverAhead     = "ahead"     // it begins later
	CoverInForce   = "in_force"  // by date and by the newest reading
	CoverExpired   = "expired"   // its last day is over
	CoverExhausted = "exhausted" // the vehicle has come further than it reaches
	CoverUnclear   = "unclear"   // it reaches to a distance, and how far the vehicle has come is not known
)

// Cover is what the maker covers, as its newest record of the coverage says.
type Cover struct {
	Coverage     string   `json:"coverage"`
	State        string   `json:"state" enum:"ahead|in_force|expired|exhausted|unclear"`
	Starts       string   `json:"starts"`
	Ends         string   `json:"ends"`
	LimitKM      int64    `json:"limit_km,omitempty"`
	Groups       []string `json:"parts_groups"`
	Exclusions   []string `json:"exclusions,omitempty"`
	Transferable bool     `json:"transferable,omitempty" doc:"whether it stays with the vehicle when that is sold"`
	Author       string   `json:"author"`
	Record       string   `json:"record" doc:"leaf hash of the warranty.cover"`
}

// covers lists the newest record of each coverage in the workshop history. The
// claims made on it are cases.
func (h *history) covers() (out []Cover) {
	at := map[string]int{}
	for _, e := range h.in.Workshop {
		if e.Record == nil || e.Record.Type != "warranty.cover/1" {
			continue
		}
		b := e.Record.Body
		c := Cover{
			Coverage: b.Get("coverage").Str, Starts: b.Get("starts").Str, Ends: b.Get("ends").Str, LimitKM: b.Get("limit_km").Int, Groups: b.Get("parts_groups").Strings(),
			Exclusions: b.Get("exclusions").Strings(), Transferable: b.Get("transferable").Int == 1, Author: e.Record.Author, Record: e.Hash,
		}
		c.State = c.stands(h.today, h.newest())
		if i, seen := at[c.Coverage]; seen {
			out[i] = c
			continue
		}
		at[c.Coverage] = len(out)
		out = append(out, c)
	}
	return out
}

func (c *Cover) stands(today string, now mileage) string {
	switch {
	case today > c.Ends:
		return CoverExpired
	case today < c.Starts:
		return CoverAhead
	case c.LimitKM > 0 && (!now.known || now.part > 0):
		return CoverUnclear
	case c.LimitKM > 0 && now.mm > c.LimitKM*kilometre:
		return CoverExhausted
	}
	return CoverInForce
}
