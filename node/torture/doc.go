// Package torture runs a cluster of real processes while it breaks them, and
// proves afterwards that nothing was lost: `make torture`.
//
// All of it is test files. The test binary runs itself as the nodes. What they
// say to each other goes through the test's process, where lines are cut,
// held and slowed; processes are killed and frozen by signals; clocks, and how
// far a node's files may grow, are set through a node's standard input.
//
// Which faults strike when, and which nodes, is a pure function of the seed
// (schedule). What the clients and the machine do in between is not: a seed
// that found something finds it again often, not always.
//
// What was seen is written down while it goes on (evidence), and judged
// afterwards by code that speaks to nobody (check).
package torture
