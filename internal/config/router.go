package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// RouterEnvPrefix starts the name of every environment variable that is a setting
// of vega-router.
const RouterEnvPrefix = "VEGA_ROUTER_"

// Router holds every setting of a router.
type Router struct {
	// Front is what clients see: the fields of a server that a router has too,
	// which are those with a row in frontRows. The others have no effect.
	Front Server

	// The cluster behind it.
	Cluster             string // host:port, separated by commas
	ClusterUser         string
	ClusterPasswordFile string
	ClusterTLS          bool
	ClusterTLSCA        string
	ClusterTLSCert      string
	ClusterTLSKey       string
	ClusterTLSName      string
	ClusterConnections  int // per node

	RequestTimeout time.Duration
	MaxRequests    int // under way towards the cluster, of all connections
}

// DefaultRouter returns the settings of a router started with --cluster alone.
func DefaultRouter() Router {
	r := Router{Front: Default(), ClusterConnections: 2, RequestTimeout: 5 * time.Second, MaxRequests: 16384}
	r.Front.Addr, r.Front.AdminAddr = "127.0.0.1:8350", "127.0.0.1:8351"
	return r
}

// Addresses are those of Cluster.
func (r *Router) Addresses() []string {
	var out []string
	for _, a := range strings.Split(r.Cluster, ",") {
		if a = strings.TrimSpace(a); a != "" {
			out = append(out, a)
		}
	}
	return out
}

const groupCluster = "Cluster"

// RouterTable is the table of vega-router.
func RouterTable() *Table[Router] {
	return &Table[Router]{
		Program: "vega-router", EnvPrefix: RouterEnvPrefix,
		Groups:   []string{groupCluster, groupListen, groupSecurity, groupLimits, groupProcess},
		Rows:     slices.Concat(clusterSettings(), frontRows()),
		defaults: DefaultRouter, validate: (*Router).Validate,
	}
}

func clusterSettings() []*SettingOf[Router] {
	return []*SettingOf[Router]{
		{
			Name: "cluster", Group: groupCluster, Example: "10.0.0.1:8342,10.0.0.2:8342",
			Help:   "addresses of one or more nodes, separated by commas; the others are learnt from them",
			Detail: "The only setting without which a router does not start.",
			bind:   func(r *Router) value { return stringValue{&r.Cluster, "host:port,…"} },
		},
		{
			Name: "cluster-user", Group: groupCluster, Example: "router",
			Help:   "the user as which the router logs in at the nodes",
			Detail: "It must be allowed whatever the router's own users are to do: what a user may do is judged by the router, and again, for this one, by the nodes.",
			bind:   func(r *Router) value { return stringValue{&r.ClusterUser, "name"} },
		},
		{
			Name: "cluster-password-file", Group: groupCluster, Example: "/etc/vegadb/router.password",
			Help:   "file whose first line is that user's password",
			Detail: "A file, since arguments and variables can be seen by others.",
			bind:   func(r *Router) value { return stringValue{&r.ClusterPasswordFile, "file"} },
		},
		{
			Name: "cluster-tls", Group: groupCluster, Example: "true",
			Help: "use TLS towards the nodes, trusting the system's certificate authorities",
			bind: func(r *Router) value { return boolValue{&r.ClusterTLS} },
		},
		{
			Name: "cluster-tls-ca", Group: groupCluster, Example: "/etc/vegadb/nodes.crt",
			Help: "PEM certificates of those who sign the nodes' certificates; turns TLS on towards them",
			bind: func(r *Router) value { return stringValue{&r.ClusterTLSCA, "file"} },
		},
		{
			Name: "cluster-tls-cert", Group: groupCluster, Example: "/etc/vegadb/router.crt",
			Help: "PEM certificate that the router shows to the nodes",
			bind: func(r *Router) value { return stringValue{&r.ClusterTLSCert, "file"} },
		},
		{
			Name: "cluster-tls-key", Group: groupCluster, Example: "/etc/vegadb/router.key",
			Help: "PEM private key of cluster-tls-cert",
			bind: func(r *Router) value { return stringValue{&r.ClusterTLSKey, "file"} },
		},
		{
			Name: "cluster-tls-server-name", Group: groupCluster, Example: "db.example.com",
			Help: "name to expect in the nodes' certificates instead of their addresses' hosts",
			bind: func(r *Router) value { return stringValue{&r.ClusterTLSName, "name"} },
		},
		{
			Name: "cluster-connections", Group: groupCluster, Example: "4",
			Help:   "connections to each node, shared by all clients",
			Detail: "Few are best: requests travel together.",
			bind:   func(r *Router) value { return intValue{&r.ClusterConnections, 1, 16} },
		},
		{
			Name: "request-timeout", Group: groupCluster, Example: "2s",
			Help:   "time for a request without a deadline of its own, retries included",
			Detail: "RESP has no deadlines, the native protocol does. A write that gets no answer in time has an unknown outcome, and the client is told so.",
			bind: func(r *Router) value {
				return durationValue{&r.RequestTimeout, 10 * time.Millisecond, 10 * time.Minute, false}
			},
		},
		{
			Name: "max-requests", Group: groupCluster, Example: "10000",
			Help:   "requests under way towards the cluster, of all connections together",
			Detail: "At the limit input is left unread until others are answered.",
			bind:   func(r *Router) value { return intValue{&r.MaxRequests, 1, 10_000_000} },
		},
	}
}

// frontRows are the rows of the server's table that a router has too.
func frontRows() []*SettingOf[Router] {
	names := []string{
		"addr", "admin-addr", "allow-no-auth",
		"users-file", "auth-failures-per-minute", "tls-cert", "tls-key", "tls-client-ca", "tls-min-version", "debug-endpoints",
		"max-value-bytes", "max-connections", "max-connections-per-address", "max-query-bytes", "max-pipeline-bytes",
		"output-limit", "output-limit-total", "handshake-timeout", "frame-timeout", "write-timeout", "idle-timeout",
		"log-format", "log-level", "shutdown-timeout",
	}
	// What differs from the server's words.
	details := map[string]string{
		"max-pipeline-bytes": "A larger one goes alone. Further input is left unread.",
		"shutdown-timeout":   "Connections that are still busy are closed then.",
		"max-value-bytes":    "Larger ones are refused here, before the cluster sees them; it has a limit of its own.",
	}
	helps := map[string]string{"max-pipeline-bytes": "size of the requests of one connection that are under way at once"}
	examples := map[string]string{
		"tls-cert": "/etc/vegadb/front.crt", "tls-key": "/etc/vegadb/front.key",
	}
	var rows []*SettingOf[Router]
	for _, name := range names {
		s := Lookup(name)
		row := &SettingOf[Router]{
			Name: s.Name, Redis: s.Redis, Group: s.Group, Help: s.Help, Detail: s.Detail, Example: s.Example,
			bind: func(r *Router) value { return s.bind(&r.Front) },
		}
		if row.Group == groupData {
			row.Group = groupLimits
		}
		if text, ok := helps[name]; ok {
			row.Help = text
		}
		if text, ok := details[name]; ok {
			row.Detail = text
		}
		if text, ok := examples[name]; ok {
			row.Example = text
		}
		rows = append(rows, row)
	}
	return rows
}

// Validate checks every setting's own limits, and the settings against each
// other. The error is one line that names the setting and the way out.
func (r *Router) Validate() error {
	if err := RouterTable().checkRows(r); err != nil {
		return err
	}
	if err := r.Front.checkFront(); err != nil {
		return err
	}
	addresses := r.Addresses()
	if len(addresses) == 0 {
		return &ValueError{"cluster", errors.New("names no node: give --cluster host:port of at least one")}
	}
	for _, a := range addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return &ValueError{"cluster", fmt.Errorf("%q is not host:port", excerpt(a))}
		}
	}
	switch {
	case (r.ClusterUser == "") != (r.ClusterPasswordFile == ""):
		return errors.New("cluster-user and cluster-password-file: give both or neither")
	case (r.ClusterTLSCert == "") != (r.ClusterTLSKey == ""):
		return errors.New("cluster-tls-cert and cluster-tls-key: give both or neither")
	case !r.UsesTLS() && (r.ClusterTLSCert != "" || r.ClusterTLSName != ""):
		return errors.New("cluster-tls-cert and cluster-tls-server-name: need cluster-tls or cluster-tls-ca")
	}
	return nil
}

// UsesTLS reports whether the nodes are spoken to over TLS.
func (r *Router) UsesTLS() bool { return r.ClusterTLS || r.ClusterTLSCA != "" }

// RouterMarkdown is the table of settings in docs/router.md.
func RouterMarkdown() string { return RouterTable().markdown("###") }

// RouterParameters returns what a router's CONFIG GET can show, for names that
// match accepts: settings in their canonical form, then under Redis's names.
func RouterParameters(r *Router, match func(name string) bool) []Pair {
	return RouterTable().parameters(r, match)
}
