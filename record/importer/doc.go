// Package importer turns odometer readings and work orders in CSV files of
// others into drafts of odometer.reading/1 and service.visit/1 records.
//
// It promises that a row is either a draft that record accepts or a refusal
// with its line and a reason; that no refused row keeps the rest from going
// on; that nothing is guessed where a wrong guess would put a false mileage
// or time on the log (thousands separators, day-month order, a missing zone
// are refused); and that the same row gets the same id in every run.
//
// It assumes UTF-8 (a byte order mark is skipped), one header line, comma,
// semicolon or tab, and quotes as RFC 4180 has them. It leaves to others the
// signing and sending, and what a reading means. Reader reads what it is
// handed and opens no file; Journal, which keeps signed notes between two
// runs, is the one part here that has a file.
package importer
