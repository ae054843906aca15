package node

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Version is the program's version.
const Version = "0.1.0-dev"

type metrics struct {
	registry       *prometheus.Registry
	refusals       *prometheus.CounterVec
	connsRefused   *prometheus.CounterVec
	skipped        *prometheus.CounterVec
	refusedHeads   prometheus.Counter
	refusedEntries prometheus.Counter
	peerRefusals   *prometheus.CounterVec
	cosigned       prometheus.Counter
	roundSeconds   prometheus.Histogram
	scrubPasses    prometheus.Counter
	scrubbed       prometheus.Gauge
	scrubLeaves    prometheus.Gauge
	damageFound    *prometheus.CounterVec
	damageMended   prometheus.Counter
	damaged        prometheus.Gauge
	cosignSeconds  *prometheus.HistogramVec
	storeSeconds   *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milepost_refusals_total", Help: "Requests and records refused by the API, by error code."}, []string{"code"}),
		connsRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milepost_refused_connections_total", Help: "Incoming connections that were not let in, by reason: full, timeout, tls or peer."}, []string{"reason"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milepost_skipped_records_total", Help: "Records of ledger entries that the state machine refused, by error code."}, []string{"code"}),
		refusedHeads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "milepost_refused_heads_total", Help: "Tree heads refused because this node's own tree has another root: look at the log at once."}),
		refusedEntries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "milepost_refused_entries_total", Help: "Ledger entries that this node refused to store: from the future, or not decodable."}),
		peerRefusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milepost_peer_refusals_total", Help: "What this node refused of another one, by error code: tree heads, cosignatures, requests, ledger entries."}, []string{"peer", "code"}),
		cosigned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "milepost_cosigned_heads_total", Help: "Tree heads that this node cosigned."}),
		roundSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "milepost_cosign_round_seconds", Help: "Time from a new tree head to its quorum of cosignatures, in seconds, on the leader.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13)}),
		scrubPasses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "milepost_scrub_passes_total", Help: "Times that the scrub has read everything on disk since the node started."}),
		scrubbed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "milepost_scrub_last_pass_timestamp_seconds", Help: "When the last pass of the scrub ended, seconds since 1970 UTC; 0 if none has since the node started."}),
		scrubLeaves: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "milepost_scrub_leaves", Help: "Leaves that the pass of the scrub under way has read."}),
		damageFound: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milepost_damage_found_total", Help: "Damage found on this node's disk, by file: look at the log at once."}, []string{"file"}),
		damageMended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "milepost_damage_mended_total", Help: "Damaged ledger entries that were mended from another node."}),
		damaged: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "milepost_damaged_entries", Help: "Damaged ledger entries that are not mended yet; above 0 this node cosigns nothing."}),
		cosignSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "milepost_cosignature_seconds", Help: "Time until a node that was asked for its cosignature gave it, in seconds, on the leader.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13)}, []string{"peer"}),
		storeSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "milepost_store_seconds", Help: "Time of one write to a database, synced, in seconds, by file.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15)}, []string{"file"}),
	}
	m.registry.MustRegister(m.refusals, m.connsRefused, m.skipped, m.refusedHeads, m.refusedEntries, m.peerRefusals, m.cosigned, m.roundSeconds, m.cosignSeconds, m.storeSeconds,
		m.scrubPasses, m.scrubbed, m.scrubLeaves, m.damageFound, m.damageMended, m.damaged,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}
