package admin

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// collector turns Facts into Prometheus metrics when it is asked, so that the
// data path keeps its own cheap counters and knows nothing of Prometheus.
type collector struct {
	source Source
	rows   []row

	buildInfo, nodeInfo, connections, closed, logRefused, snapshots, commandErrors *prometheus.Desc
	fsync, latency                                                                 *prometheus.Desc
	cluster                                                                        *clusterMetrics
}

// row is a metric without labels.
type row struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(*Facts) float64
}

func newCollector(source Source) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("vegadb_"+name, help, labels, nil)
	}
	c := &collector{
		source:        source,
		buildInfo:     desc("build_info", "Always 1; the labels say which version runs.", "version", "go_version"),
		nodeInfo:      desc("node_info", "Always 1; the labels say who the node is and what it promises for a write.", "node_id", "cluster_id", "durability"),
		connections:   desc("connections", "Open connections by protocol.", "protocol"),
		closed:        desc("connections_closed_total", "Connections ended, by reason.", "reason"),
		logRefused:    desc("log_refused_writes_total", "Writes the log did not take, by reason.", "reason"),
		snapshots:     desc("snapshots_total", "Rounds of snapshots that ended, by result.", "result"),
		commandErrors: desc("command_errors_total", "Calls answered with an error, by command.", "command"),
		fsync:         desc("log_fsync_duration_seconds", "Time of each fsync of the log."),
		latency:       desc("command_duration_seconds", "Time of calls inside the server, by command; for a write, until it is as durable as promised.", "command"),
	}
	add := func(kind prometheus.ValueType, name, help string, get func(*Facts) float64) {
		c.rows = append(c.rows, row{desc(name, help), kind, get})
	}
	addDataRows(add)
	addLogRows(add)
	addServerRows(add)
	c.cluster = newClusterMetrics(desc)
	return c
}

type adder func(kind prometheus.ValueType, name, help string, get func(*Facts) float64)

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func addDataRows(add adder) {
	add(gauge, "ready", "1 when data can be served.", func(f *Facts) float64 { return truth(f.State.Ready) })
	add(gauge, "loading_ratio", "Progress of loading at start, 0 to 1.", func(f *Facts) float64 { return f.State.Percent() / 100 })
	add(gauge, "partitions", "Partitions of the node.", func(f *Facts) float64 { return float64(f.Node.Partitions) })
	add(gauge, "keys", "Keys held, expired ones not yet reclaimed included.", func(f *Facts) float64 { return float64(f.Node.Keys) })
	add(gauge, "expiring_keys", "Keys held that have an expiry.", func(f *Facts) float64 { return float64(f.Node.Expiring) })
	add(counter, "expired_keys_total", "Expired keys reclaimed.", func(f *Facts) float64 { return float64(f.Node.Expired) })
	add(gauge, "memory_used_bytes", "Memory taken by data.", func(f *Facts) float64 { return float64(f.Memory.UsedBytes) })
	add(gauge, "memory_limit_bytes", "Memory data may take, 0 for no limit.", func(f *Facts) float64 { return float64(f.Memory.LimitBytes) })
	add(counter, "memory_refused_writes_total", "Writes refused because of the memory limit; nothing is evicted.",
		func(f *Facts) float64 { return float64(f.Memory.RefusedWrites) })
}

func addLogRows(add adder) {
	add(gauge, "log_segments", "Files of the log.", func(f *Facts) float64 { return float64(f.Log.Segments) })
	add(gauge, "log_disk_bytes", "Disk space of the log's files.", func(f *Facts) float64 { return float64(f.Log.DiskBytes) })
	add(gauge, "log_live_bytes", "Part of the log that is in use.", func(f *Facts) float64 { return float64(f.Log.LiveBytes) })
	add(gauge, "log_queue_bytes", "Bytes appended and not yet written.", func(f *Facts) float64 { return float64(f.Log.QueueBytes) })
	add(gauge, "log_no_space", "1 while no room for the log can be had on the disk and writes are refused.", func(f *Facts) float64 { return truth(f.Log.NoSpace) })
	add(counter, "log_records_total", "Records appended.", func(f *Facts) float64 { return float64(f.Log.Records) })
	add(counter, "log_record_bytes_total", "Bytes of the records appended.", func(f *Facts) float64 { return float64(f.Log.RecordBytes) })
	add(counter, "log_commits_total", "Batches committed.", func(f *Facts) float64 { return float64(f.Log.Commits) })
	add(counter, "log_written_bytes_total", "Bytes written to the log's files.", func(f *Facts) float64 { return float64(f.Log.WrittenBytes) })
	add(counter, "log_truncated_segments_total", "Files of the log removed because snapshots cover them.", func(f *Facts) float64 { return float64(f.Log.TruncatedSegments) })
	add(gauge, "snapshot_running", "1 while snapshots are being taken.", func(f *Facts) float64 { return truth(f.Snapshot.Running) })
	add(gauge, "snapshot_progress_ratio", "Progress of the running round of snapshots, 0 to 1.", func(f *Facts) float64 { return f.Snapshot.Progress })
	add(gauge, "snapshot_last_success_timestamp_seconds", "When the last round of snapshots ended well, 0 for never since the start.", func(f *Facts) float64 {
		return timestamp(f.Snapshot.LastOK)
	})
	add(gauge, "snapshot_last_duration_seconds", "Time the last round took.", func(f *Facts) float64 { return f.Snapshot.LastDurationSeconds })
	add(gauge, "snapshot_last_size_bytes", "Size of the last round's files.", func(f *Facts) float64 { return float64(f.Snapshot.LastBytes) })
}

func addServerRows(add adder) {
	add(counter, "connections_accepted_total", "Connections accepted.", func(f *Facts) float64 { return float64(f.Server.Accepted) })
	add(counter, "received_bytes_total", "Bytes received from clients.", func(f *Facts) float64 { return float64(f.Server.ReceivedBytes) })
	add(counter, "sent_bytes_total", "Bytes sent to clients.", func(f *Facts) float64 { return float64(f.Server.SentBytes) })
	add(gauge, "output_bytes", "Replies held for clients that read slowly.", func(f *Facts) float64 { return float64(f.Server.OutputBytes) })
	add(gauge, "commands_in_flight", "Commands that wait for the disk.", func(f *Facts) float64 { return float64(f.Server.InFlight) })
	add(counter, "auth_failures_total", "Logins that failed.", func(f *Facts) float64 { return float64(f.Server.AuthFailures) })
	add(counter, "lookup_hits_total", "Reads that found their key.", func(f *Facts) float64 { return float64(f.Server.Hits) })
	add(counter, "lookup_misses_total", "Reads that did not find their key.", func(f *Facts) float64 { return float64(f.Server.Misses) })
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, r := range c.rows {
		ch <- r.desc
	}
	for _, d := range []*prometheus.Desc{
		c.buildInfo, c.nodeInfo, c.connections, c.closed, c.logRefused, c.snapshots, c.commandErrors, c.fsync, c.latency,
	} {
		ch <- d
	}
	c.cluster.describe(ch)
}

// Collect implements prometheus.Collector: one reading of the facts, so that
// the figures of one scrape belong together.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	f := c.source.Facts()
	for _, r := range c.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.get(&f))
	}
	labelled := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	labelled(c.buildInfo, gauge, 1, f.Node.Version, runtime.Version())
	labelled(c.nodeInfo, gauge, 1, f.Node.NodeID, f.Node.ClusterID, f.Node.Durability)
	for protocol, n := range f.Server.Connections {
		labelled(c.connections, gauge, float64(n), protocol)
	}
	for reason, n := range f.Server.Closed {
		labelled(c.closed, counter, float64(n), reason)
	}
	labelled(c.logRefused, counter, float64(f.Log.RefusedBusy), "busy")
	labelled(c.logRefused, counter, float64(f.Log.RefusedNoSpace), "no_space")
	labelled(c.snapshots, counter, float64(f.Snapshot.Written), "ok")
	labelled(c.snapshots, counter, float64(f.Snapshot.Failed), "failed")
	ch <- ConstHistogram(c.fsync, f.Log.Fsync)
	for _, cmd := range f.Commands {
		labelled(c.commandErrors, counter, float64(cmd.Errors), cmd.Name)
		ch <- ConstHistogram(c.latency, cmd.Latency, cmd.Name)
	}
	if f.Cluster != nil {
		c.cluster.collect(f.Cluster, ch)
	}
}

// ConstHistogram is h as a metric: with cumulative counts, as Prometheus wants them.
func ConstHistogram(d *prometheus.Desc, h Histogram, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(h.BoundsSeconds))
	sum := uint64(0)
	for i, bound := range h.BoundsSeconds {
		if i < len(h.Counts) {
			sum += h.Counts[i]
		}
		buckets[bound] = sum
	}
	return prometheus.MustNewConstHistogram(d, h.Count(), h.SumSeconds, buckets, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
