// Command dns is CoreDNS with no more plugins than the lab's Corefile names, so that it builds in seconds.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// Outermost first: the order in which a query passes through the plugins.
func init() {
	dnsserver.Directives = []string{
		"bind", "health", "ready", "errors", "cache", "loadbalance", "template", "kubernetes",
	}
}

func main() { coremain.Run() }
