package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
)

// patience is how long the cluster may take to answer. It is shorter than the time that Prometheus waits, so that a
// cluster that is down does not look like an exporter that is down.
const patience = 3 * time.Second

var (
	brokerCount     = describe("kafka_brokers", "Brokers of the cluster.")
	endOffset       = describe("kafka_topic_partition_current_offset", "Offset of the next message.", "topic", "partition")
	underReplicated = describe("kafka_topic_partition_under_replicated_partition",
		"1 if a replica of the partition is not in sync.", "topic", "partition")
	groupLag = describe("kafka_consumergroup_lag",
		"Messages that the group has not committed.", "consumergroup", "topic", "partition")
	groupMembers = describe("kafka_consumergroup_members", "Members of the group.", "consumergroup")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// cluster collects the metrics of a cluster for one scrape. While the cluster does not answer it has no series: an old
// offset would hide that.
type cluster struct {
	ctx   context.Context
	admin *kadm.Client
}

// Describe implements prometheus.Collector.
func (c *cluster) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{brokerCount, endOffset, underReplicated, groupLag, groupMembers} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *cluster) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := errors.Join(c.topics(ctx, ch), c.groups(ctx, ch)); err != nil {
		fmt.Fprintln(os.Stderr, time.Now().Format(time.RFC3339), err)
	}
}

func (c *cluster) topics(ctx context.Context, ch chan<- prometheus.Metric) error {
	// Not from the client's memory: the offsets are asked for at the leader of each partition.
	ends, err := c.admin.ListEndOffsets(ctx)
	if err != nil {
		return fmt.Errorf("offsets: %w", err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			gauge(ch, endOffset, float64(o.Offset), o.Topic, partition(o.Partition))
		}
	})
	known, err := c.admin.Metadata(ctx)
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	gauge(ch, brokerCount, float64(len(known.Brokers)))
	known.Topics.EachPartition(func(p kadm.PartitionDetail) {
		missing := 0.0
		if len(p.ISR) < len(p.Replicas) {
			missing = 1
		}
		gauge(ch, underReplicated, missing, p.Topic, partition(p.Partition))
	})
	return nil
}

func (c *cluster) groups(ctx context.Context, ch chan<- prometheus.Metric) error {
	lags, err := c.admin.Lag(ctx)
	if err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	for _, group := range lags {
		if group.Error() != nil {
			continue // its coordinator has just changed: the next scrape has it
		}
		gauge(ch, groupMembers, float64(len(group.Members)), group.Group)
		for _, partitions := range group.Lag {
			for _, l := range partitions {
				if l.Err == nil {
					gauge(ch, groupLag, float64(l.Lag), group.Group, l.Topic, partition(l.Partition))
				}
			}
		}
	}
	return nil
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func partition(n int32) string { return strconv.Itoa(int(n)) }
