package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render"
)

// Input is all that a report is made of.
type Input struct {
	Report    *verify.Report
	FileName  string // of the proof file, without its directory
	File      []byte // the proof file itself, for its size and SHA-256
	Policy    *verify.Policy
	Presented *Presented // nil if no attachments were handed in or looked for
	Unit      render.Unit
	Now       time.Time // when the report is made
	Version   string    // of the program
	VIN       string    // that the caller means; "" takes the file's word for it
	Allowed   bool      // withheld records are accepted
	LeaseKM   int64     // that the caller says a lease contract allows, as verify.Options has it; 0 for none
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var tmpl = template.Must(template.New("page").Parse(pageHTML))

// HTML writes the report.
func HTML(in Input) ([]byte, error) {
	var b bytes.Buffer
	if err := tmpl.Execute(&b, newView(&in)); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return b.Bytes(), nil
}

// style is the page's style sheet with the footer that paper carries on each
// sheet: which file it is about. print is hexadecimal digits.
func style(print string) template.CSS {
	return template.CSS(strings.Replace(pageCSS, "FOOTER", "proof file SHA-256 "+print, 1))
}
