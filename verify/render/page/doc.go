// Package page writes the evidence report: one HTML page that a court or an
// insurer reads, prints and files, of what a verifier found in a proof file.
//
// It promises that the page is complete in itself (no script, no image, font
// or style from elsewhere), that nothing a record or a file name says can
// become markup or turn the direction of the text around it, that one input
// gives the same bytes always, and that of a file which does not verify no
// history is told. It decides nothing: every fact comes from the verifier's
// report. Pure.
package page
