/*
 * What Rust calls of DPDK and cannot call by itself.
 *
 * Two kinds of thing are here. Functions that DPDK's headers define inline have no symbol: each gets
 * one, per burst of mbufs, so that nothing crosses into C per packet. And structures whose fields moved
 * between DPDK releases (rte_eth_dev_info, rte_eth_link, rte_eth_conf) are copied into structures of our
 * own, so that the C compiler, not Rust, follows them.
 *
 * No decision is taken here. Integer answers are DPDK's: 0 or a negated errno.
 */
#ifndef DPDK_SHIM_H
#define DPDK_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_config.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_version.h>

/* Layout of rte_mbuf as the headers have it; mbuf.rs is checked against it when it is compiled. */
enum shim_mbuf_layout {
	SHIM_MBUF_SIZE = sizeof(struct rte_mbuf),
	SHIM_MBUF_ALIGN = __alignof__(struct rte_mbuf),
	SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	SHIM_MBUF_REFCNT = offsetof(struct rte_mbuf, refcnt),
	SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	SHIM_MBUF_PORT = offsetof(struct rte_mbuf, port),
	SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	SHIM_MBUF_POOL = offsetof(struct rte_mbuf, pool),
	SHIM_MBUF_NEXT = offsetof(struct rte_mbuf, next),
};

static const uint32_t SHIM_MAX_LCORE = RTE_MAX_LCORE;
static const uint16_t SHIM_MAX_PORTS = RTE_MAX_ETHPORTS;
static const uint16_t SHIM_DATA_ROOM = RTE_MBUF_DEFAULT_BUF_SIZE;
static const uint32_t SHIM_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const int SHIM_SOCKET_ANY = SOCKET_ID_ANY;

static const uint32_t SHIM_RING_SP_ENQ = RING_F_SP_ENQ;
static const uint32_t SHIM_RING_SC_DEQ = RING_F_SC_DEQ;
static const uint32_t SHIM_RING_EXACT_SZ = RING_F_EXACT_SZ;

static const uint64_t SHIM_RSS_IP_TCP_UDP = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
static const uint64_t SHIM_RX_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t SHIM_TX_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

struct shim_port_info {
	uint8_t device[RTE_ETH_NAME_MAX_LEN]; /* ends in NUL, as does the next */
	uint8_t driver[64];
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss;
	int32_t socket; /* SOCKET_ID_ANY where the device has none */
	uint32_t longest_frame; /* UINT32_MAX where the device knows no bound */
	uint16_t min_mtu;
	uint16_t max_mtu;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t min_rx_descriptors;
	uint16_t max_rx_descriptors;
	uint16_t min_tx_descriptors;
	uint16_t max_tx_descriptors;
	uint8_t mac[6];
};

struct shim_port_conf {
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss; /* 0: no RSS */
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t mtu; /* 0: the device's own */
};

struct shim_port_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_octets;
	uint64_t tx_octets;
	uint64_t rx_missed;
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint64_t rx_no_mbuf;
};

struct shim_port_link {
	uint32_t megabits; /* 0: none, UINT32_MAX: not known */
	bool up;
	bool full_duplex;
};

/* Per thread: the cause of the last failure. */
int shim_errno(void);

bool shim_lcore_is_waiting(unsigned int lcore);
/* Writes at most n CPU numbers of the lcore's set; returns how many the set has. */
unsigned int shim_lcore_cpus(unsigned int lcore, uint16_t *cpus, unsigned int n);

/* Fast path: one call per burst. */
uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
int shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int n);
unsigned int shim_ring_enqueue(struct rte_ring *ring, struct rte_mbuf *const *mbufs, unsigned int n);
unsigned int shim_ring_dequeue(struct rte_ring *ring, struct rte_mbuf **mbufs, unsigned int n);
unsigned int shim_ring_count(const struct rte_ring *ring);

/* For single mbufs, off the fast path. */
struct rte_mbuf *shim_mbuf_alloc(struct rte_mempool *pool);
void shim_mbuf_free(struct rte_mbuf *mbuf);

/* Memory that one mbuf of a pool takes, with header and trailer. */
uint32_t shim_mbuf_octets(uint16_t data_room);

/* The first valid port number at or after `port`; SHIM_MAX_PORTS or more: none. */
uint16_t shim_port_next(uint16_t port);
int shim_port_info(uint16_t port, struct shim_port_info *info);
int shim_port_configure(uint16_t port, const struct shim_port_conf *conf);
int shim_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket,
			struct rte_mempool *pool);
int shim_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket);
int shim_port_stats(uint16_t port, struct shim_port_stats *stats);
int shim_port_link(uint16_t port, struct shim_port_link *link);

/* The same layout as above, from the compiler that built the shim: size, align, then offsets in order. */
size_t shim_mbuf_layout(size_t *values, size_t n);

#endif
