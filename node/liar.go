package node

// liar is how tests make a node lie; every hook is nil in a real node.
type liar struct{}
