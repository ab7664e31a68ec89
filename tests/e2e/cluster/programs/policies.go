package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// cluster is what NetworkPolicies are about, at one moment.
type cluster struct {
	pods       []*core.Pod
	namespaces map[string]labels.Set
	policies   []*networking.NetworkPolicy
}

// direction says which address of a packet is the selected pod's and which the other's.
type direction struct{ chain, own, other, others string }

var (
	ingress = direction{"POLICY-IN-", "-d", "-s", "--src-range"}
	egress  = direction{"POLICY-OUT-", "-s", "-d", "--dst-range"}
)

// allowed is a rule of a policy, whichever its direction.
type allowed struct {
	peers []networking.NetworkPolicyPeer
	ports []networking.NetworkPolicyPort
}

// matches tells whether the selector selects; none selects nothing, an empty one everything.
func matches(selector *meta.LabelSelector, set labels.Set) bool {
	made, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && made.Matches(set)
}

// others gives, as matches of a packet, whom a peer means, each with its pod if it is one.
func (c cluster) others(side direction, namespace string, peer networking.NetworkPolicyPeer) map[string]*core.Pod {
	found := map[string]*core.Pod{}
	if block := peer.IPBlock; block != nil {
		match := side.other + " " + block.CIDR
		for _, except := range block.Except {
			match += " -m iprange ! " + side.others + " " + span(except)
		}
		found[match] = nil
		return found
	}
	for _, pod := range c.pods {
		here := pod.Namespace == namespace
		if peer.NamespaceSelector != nil {
			here = matches(peer.NamespaceSelector, c.namespaces[pod.Namespace])
		}
		if here && (peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels)) {
			found[side.other+" "+pod.Status.PodIP] = pod
		}
	}
	return found
}

// span is a network as `first-last`.
func span(network string) string {
	prefix := netip.MustParsePrefix(network).Masked()
	last := prefix.Addr().As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return fmt.Sprintf("%s-%s", prefix.Addr(), netip.AddrFrom4(last))
}

// port gives the match of a port at the pod that is called, which knows what its named ones are.
func port(wanted networking.NetworkPolicyPort, called *core.Pod) (string, bool) {
	protocol := core.ProtocolTCP
	if wanted.Protocol != nil {
		protocol = *wanted.Protocol
	}
	match := "-p " + strings.ToLower(string(protocol))
	switch {
	case wanted.Port == nil:
		return match, true
	case wanted.Port.Type == intstr.Int && wanted.EndPort != nil:
		return fmt.Sprintf("%s --dport %d:%d", match, wanted.Port.IntVal, *wanted.EndPort), true
	case wanted.Port.Type == intstr.Int:
		return fmt.Sprintf("%s --dport %d", match, wanted.Port.IntVal), true
	case called == nil:
		return "", false
	}
	for _, container := range called.Spec.Containers {
		for _, has := range container.Ports {
			if has.Name == wanted.Port.StrVal && has.Protocol == protocol {
				return fmt.Sprintf("%s --dport %d", match, has.ContainerPort), true
			}
		}
	}
	return "", false
}

// rules gives what of the pod's traffic is let through in this direction, and whether any policy
// selects the pod at all.
func (c cluster) rules(side direction, pod *core.Pod) (lines []string, selected bool) {
	for _, policy := range c.policies {
		if policy.Namespace != pod.Namespace || !matches(&policy.Spec.PodSelector, pod.Labels) {
			continue
		}
		var rules []allowed
		for _, kind := range policy.Spec.PolicyTypes {
			if kind == networking.PolicyTypeIngress && side == ingress {
				selected = true
				for _, rule := range policy.Spec.Ingress {
					rules = append(rules, allowed{rule.From, rule.Ports})
				}
			}
			if kind == networking.PolicyTypeEgress && side == egress {
				selected = true
				for _, rule := range policy.Spec.Egress {
					rules = append(rules, allowed{rule.To, rule.Ports})
				}
			}
		}
		for _, rule := range rules {
			lines = append(lines, c.let(side, pod, rule)...)
		}
	}
	sort.Strings(lines)
	return lines, selected
}

// let gives the matches of all packets that a rule allows.
func (c cluster) let(side direction, pod *core.Pod, rule allowed) (lines []string) {
	others := map[string]*core.Pod{}
	for _, peer := range rule.peers {
		for match, other := range c.others(side, pod.Namespace, peer) {
			others[match] = other
		}
	}
	if len(rule.peers) == 0 {
		others[side.other+" 0.0.0.0/0"] = nil
	}
	for match, other := range others {
		called := other
		if side == ingress {
			called = pod
		}
		for _, wanted := range rule.ports {
			if to, known := port(wanted, called); known {
				lines = append(lines, match+" "+to)
			}
		}
		if len(rule.ports) == 0 {
			lines = append(lines, match)
		}
	}
	return lines
}

// chains gives the packet filter's chains: POLICY, and one a pod and direction that is restricted.
func (c cluster) chains() map[string][]string {
	chains := map[string][]string{"POLICY": {"-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"}}
	for _, pod := range c.pods {
		for _, side := range []direction{egress, ingress} {
			lines, selected := c.rules(side, pod)
			if !selected {
				continue
			}
			name := side.chain + pod.Status.PodIP
			chains["POLICY"] = append(chains["POLICY"], side.own+" "+pod.Status.PodIP+" -j "+name)
			for _, line := range lines {
				chains[name] = append(chains[name], line+" -j RETURN")
			}
			chains[name] = append(chains[name], "-j REJECT --reject-with icmp-admin-prohibited")
		}
	}
	return chains
}

// restore is what turns the packet filter from the chains `before` to the chains `after` at once.
func restore(before, after map[string][]string) string {
	var text bytes.Buffer
	fmt.Fprintln(&text, "*filter")
	for name := range before {
		if _, still := after[name]; !still {
			fmt.Fprintf(&text, ":%s - [0:0]\n", name)
		}
	}
	for name := range after {
		fmt.Fprintf(&text, ":%s - [0:0]\n", name)
	}
	for name, lines := range after {
		for _, line := range lines {
			fmt.Fprintf(&text, "-A %s %s\n", name, line)
		}
	}
	for name := range before {
		if _, still := after[name]; !still {
			fmt.Fprintf(&text, "-X %s\n", name)
		}
	}
	fmt.Fprintln(&text, "COMMIT")
	return text.String()
}

func filter(program, input string, arguments ...string) error {
	command := exec.Command(program, arguments...)
	command.Stdin = strings.NewReader(input)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s\n%s", program, err, said, input)
	}
	return nil
}

// enforcePolicies makes the node's packet filter do what the NetworkPolicies of the cluster that
// $KUBECONFIG names say, by the text of networking.k8s.io/v1: what a selected pod may not do is refused
// at once. It rules over what goes through the node and to it; what the node itself sends (probes) passes.
func enforcePolicies() int {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	pods, namespaces, policies := factory.Core().V1().Pods(), factory.Core().V1().Namespaces(), factory.Networking().V1().NetworkPolicies()
	changed := make(chan struct{}, 1)
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	for _, kind := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		_, err := kind.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { tell() }, UpdateFunc: func(any, any) { tell() }, DeleteFunc: func(any) { tell() },
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	ctx := context.Background()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	before, hooked := map[string][]string{}, false
	for range changed {
		now := cluster{namespaces: map[string]labels.Set{}}
		all, _ := pods.Lister().List(labels.Everything())
		for _, pod := range all {
			over := pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed
			if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !over {
				now.pods = append(now.pods, pod)
			}
		}
		named, _ := namespaces.Lister().List(labels.Everything())
		for _, namespace := range named {
			now.namespaces[namespace.Name] = namespace.Labels
		}
		now.policies, _ = policies.Lister().List(labels.Everything())
		after := now.chains()
		err := filter("iptables-restore", restore(before, after), "--noflush", "--wait")
		for _, chain := range []string{"FORWARD", "INPUT"} {
			if err == nil && !hooked {
				err = filter("iptables", "", "--wait", "--insert", chain, "--jump", "POLICY")
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, time.Now().UTC().Format(time.RFC3339), err)
			return 1
		}
		before, hooked = after, true
	}
	return 0
}
