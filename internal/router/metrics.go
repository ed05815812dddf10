package router

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/front"
)

// collector turns Facts into Prometheus metrics when it is asked.
type collector struct {
	r    *Router
	rows []metricRow

	buildInfo, clusterInfo, connections, closed, failed, errors, latency *prometheus.Desc
}

// metricRow is a metric without labels.
type metricRow struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(*Facts) float64
}

func newCollector(r *Router) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("vegadb_router_"+name, help, labels, nil)
	}
	c := &collector{
		r:           r,
		buildInfo:   desc("build_info", "Always 1; the labels say which version runs.", "version", "go_version"),
		clusterInfo: desc("cluster_info", "Always 1, once the cluster was reached; the label says which it is.", "cluster_id"),
		connections: desc("connections", "Open connections of clients by protocol.", "protocol"),
		closed:      desc("connections_closed_total", "Connections of clients ended, by reason.", "reason"),
		failed:      desc("forward_failures_total", "Requests to the cluster that ended with a failure, by status.", "status"),
		errors:      desc("command_errors_total", "Calls answered with an error, by command.", "command"),
		latency:     desc("command_duration_seconds", "Time of calls from their arrival to their reply, by command.", "command"),
	}
	add := func(kind prometheus.ValueType, name, help string, get func(*Facts) float64) {
		c.rows = append(c.rows, metricRow{desc(name, help), kind, get})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "ready", "1 while the cluster answers.", func(f *Facts) float64 { return float64(front.BoolInt(f.State.Ready)) })
	add(counter, "connections_accepted_total", "Connections accepted.", func(f *Facts) float64 { return float64(f.Server.Accepted) })
	add(counter, "received_bytes_total", "Bytes received from clients.", func(f *Facts) float64 { return float64(f.Server.ReceivedBytes) })
	add(counter, "sent_bytes_total", "Bytes sent to clients.", func(f *Facts) float64 { return float64(f.Server.SentBytes) })
	add(gauge, "output_bytes", "Replies held in memory.", func(f *Facts) float64 { return float64(f.Server.OutputBytes) })
	add(gauge, "requests_in_flight", "Requests of clients that wait for the cluster.", func(f *Facts) float64 { return float64(f.Server.InFlight) })
	add(counter, "auth_failures_total", "Failed logins.", func(f *Facts) float64 { return float64(f.Server.AuthFailures) })
	add(counter, "forwards_total", "Requests sent to the cluster.", func(f *Facts) float64 { return float64(f.Forwards.Total) })
	add(counter, "commands_cut_total", "Commands and batches that were cut by partition.", func(f *Facts) float64 { return float64(f.Forwards.Cut) })
	add(counter, "reads_together_total", "Reads that were answered by an equal one.", func(f *Facts) float64 { return float64(f.Forwards.Together) })
	add(counter, "crossslot_total", "Commands refused with CROSSSLOT.", func(f *Facts) float64 { return float64(f.Forwards.CrossSlot) })
	cluster := func(get func(*Cluster) float64) func(*Facts) float64 {
		return func(f *Facts) float64 {
			if f.Cluster == nil {
				return 0
			}
			return get(f.Cluster)
		}
	}
	add(gauge, "cluster_epoch", "Version of the topology, 0 until the cluster was reached.", cluster(func(c *Cluster) float64 { return float64(c.Epoch) }))
	add(gauge, "cluster_nodes", "Nodes of the cluster.", cluster(func(c *Cluster) float64 { return float64(c.Nodes) }))
	add(gauge, "cluster_nodes_down", "Nodes that the others have not heard of for a while.", cluster(func(c *Cluster) float64 { return float64(c.NodesDown) }))
	add(gauge, "cluster_partitions", "Partitions of the cluster.", cluster(func(c *Cluster) float64 { return float64(c.Partitions) }))
	add(gauge, "cluster_partitions_without_leader", "Partitions without a known leader.", cluster(func(c *Cluster) float64 { return float64(c.WithoutLeader) }))
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, r := range c.rows {
		ch <- r.desc
	}
	for _, d := range []*prometheus.Desc{c.buildInfo, c.clusterInfo, c.connections, c.closed, c.failed, c.errors, c.latency} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	f := c.r.Facts()
	for _, r := range c.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.get(&f))
	}
	one := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	one(c.buildInfo, prometheus.GaugeValue, 1, f.Router.Version, runtime.Version())
	if f.Cluster != nil {
		one(c.clusterInfo, prometheus.GaugeValue, 1, f.Cluster.ID)
	}
	for protocol, n := range f.Server.Connections {
		one(c.connections, prometheus.GaugeValue, float64(n), protocol)
	}
	for reason, n := range f.Server.Closed {
		one(c.closed, prometheus.CounterValue, float64(n), reason)
	}
	for status, n := range f.Forwards.Failed {
		one(c.failed, prometheus.CounterValue, float64(n), status)
	}
	for _, cmd := range f.Commands {
		one(c.errors, prometheus.CounterValue, float64(cmd.Errors), cmd.Name)
		ch <- admin.ConstHistogram(c.latency, cmd.Latency, cmd.Name)
	}
}
