package cases

// Calendar says which days are working days.
type Calendar struct {
	ID      string   `json:"id"`
	Zone    string   `json:"zone"`
	Weekend []int64  `json:"weekend"` // ISO 8601: 1 Monday to 7 Sunday
	DaysOff []string `json:"days_off,omitempty"`
}
