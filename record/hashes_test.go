package record

import (
	"slices"
	"testing"

	"github.com/milepost-log/milepost/record/jcs"
)

// Hashes are found wherever a body has them, and nothing else is.
func TestEachHash(t *testing.T) {
	t.Parallel()
	body, err := jcs.Read([]byte(`{"case":"0a1b2c3d","findings":[{"finding":"actual","target":"aaaabbbb"},5],"prev":7,"reasons":"deadbeef"}`))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	got, err := Lookup("dispute.decided/1").EachHash(body, func(at, text string) (string, error) {
		seen = append(seen, at+"="+text)
		return text + "!", nil
	})
	if want := []string{"body.case=0a1b2c3d", "body.findings[0].target=aaaabbbb"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("found %q (%v), want %q", seen, err, want)
	}
	if want := `{"case":"0a1b2c3d!","findings":[{"finding":"actual","target":"aaaabbbb!"},5],"prev":7,"reasons":"deadbeef"}`; string(got.Bytes()) != want {
		t.Errorf("got %s, want %s", got.Bytes(), want)
	}
	if string(body.Bytes()) == string(got.Bytes()) {
		t.Error("the body that was given has changed")
	}
	list := jcs.Make(jcs.Field{Name: "targets", Value: jcs.Texts([]string{"a", "b"})})
	seen = nil
	if _, err := Lookup("dispute.opened/1").EachHash(list, func(at, text string) (string, error) { seen = append(seen, at); return text, nil }); err != nil {
		t.Error(err)
	}
	if !slices.Equal(seen, []string{"body.targets[0]", "body.targets[1]"}) {
		t.Errorf("found %q", seen)
	}
}
