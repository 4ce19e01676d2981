/* Bodies of shim.h: each forwards to one DPDK inline, or copies between its structures and ours. */

#include <sched.h>
#include <string.h>

#include "shim.h"

int shim_errno(void)
{
	return rte_errno;
}

bool shim_lcore_is_waiting(unsigned int lcore)
{
	return rte_eal_get_lcore_state(lcore) == WAIT;
}

unsigned int shim_lcore_cpus(unsigned int lcore, uint16_t *cpus, unsigned int n)
{
	const rte_cpuset_t set = rte_lcore_cpuset(lcore);
	unsigned int found = 0;

	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (found < n)
			cpus[found] = (uint16_t)cpu;
		found++;
	}
	return found;
}

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_rx_burst(port, queue, mbufs, n);
}

uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_tx_burst(port, queue, mbufs, n);
}

int shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int n)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, n);
}

unsigned int shim_ring_enqueue(struct rte_ring *ring, struct rte_mbuf *const *mbufs, unsigned int n)
{
	return rte_ring_enqueue_burst(ring, (void *const *)mbufs, n, NULL);
}

unsigned int shim_ring_dequeue(struct rte_ring *ring, struct rte_mbuf **mbufs, unsigned int n)
{
	return rte_ring_dequeue_burst(ring, (void **)mbufs, n, NULL);
}

unsigned int shim_ring_count(const struct rte_ring *ring)
{
	return rte_ring_count(ring);
}

struct rte_mbuf *shim_mbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

void shim_mbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

uint32_t shim_mbuf_octets(uint16_t data_room)
{
	return rte_mempool_calc_obj_size((uint32_t)sizeof(struct rte_mbuf) + data_room, 0, NULL);
}

uint16_t shim_port_next(uint16_t port)
{
	return (uint16_t)rte_eth_find_next_owned_by(port, RTE_ETH_DEV_NO_OWNER);
}

int shim_port_info(uint16_t port, struct shim_port_info *out)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = rte_eth_dev_info_get(port, &info);
	if (ret != 0)
		return ret;
	ret = rte_eth_dev_get_name_by_port(port, (char *)out->device);
	if (ret != 0)
		return ret;
	ret = rte_eth_macaddr_get(port, &mac);
	if (ret != 0)
		return ret;
	memcpy(out->mac, mac.addr_bytes, sizeof(out->mac));
	if (info.driver_name != NULL)
		strncpy((char *)out->driver, info.driver_name, sizeof(out->driver) - 1);
	out->rx_offloads = info.rx_offload_capa;
	out->tx_offloads = info.tx_offload_capa;
	out->rss = info.flow_type_rss_offloads;
	out->socket = rte_eth_dev_socket_id(port);
	out->longest_frame = info.max_rx_pktlen;
	out->min_mtu = info.min_mtu;
	out->max_mtu = info.max_mtu;
	out->max_rx_queues = info.max_rx_queues;
	out->max_tx_queues = info.max_tx_queues;
	out->min_rx_descriptors = info.rx_desc_lim.nb_min;
	out->max_rx_descriptors = info.rx_desc_lim.nb_max;
	out->min_tx_descriptors = info.tx_desc_lim.nb_min;
	out->max_tx_descriptors = info.tx_desc_lim.nb_max;
	return 0;
}

int shim_port_configure(uint16_t port, const struct shim_port_conf *in)
{
	struct rte_eth_conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = in->mtu;
	conf.rxmode.offloads = in->rx_offloads;
	conf.txmode.offloads = in->tx_offloads;
	if (in->rss != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = in->rss;
	}
	return rte_eth_dev_configure(port, in->rx_queues, in->tx_queues, &conf);
}

/*
 * The driver's recommended thresholds, but none of its recommended offloads: what the port enables
 * holds for its queues, and a default such as MBUF_FAST_FREE would break chains of mbufs.
 */
int shim_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket,
			struct rte_mempool *pool)
{
	struct rte_eth_dev_info info;
	const int ret = rte_eth_dev_info_get(port, &info);

	if (ret != 0)
		return ret;
	info.default_rxconf.offloads = 0;
	return rte_eth_rx_queue_setup(port, queue, descriptors, (unsigned int)socket,
				      &info.default_rxconf, pool);
}

int shim_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket)
{
	struct rte_eth_dev_info info;
	const int ret = rte_eth_dev_info_get(port, &info);

	if (ret != 0)
		return ret;
	info.default_txconf.offloads = 0;
	return rte_eth_tx_queue_setup(port, queue, descriptors, (unsigned int)socket,
				      &info.default_txconf);
}

int shim_port_stats(uint16_t port, struct shim_port_stats *out)
{
	struct rte_eth_stats stats;
	const int ret = rte_eth_stats_get(port, &stats);

	if (ret != 0)
		return ret;
	out->rx_packets = stats.ipackets;
	out->tx_packets = stats.opackets;
	out->rx_octets = stats.ibytes;
	out->tx_octets = stats.obytes;
	out->rx_missed = stats.imissed;
	out->rx_errors = stats.ierrors;
	out->tx_errors = stats.oerrors;
	out->rx_no_mbuf = stats.rx_nombuf;
	return 0;
}

int shim_port_link(uint16_t port, struct shim_port_link *out)
{
	struct rte_eth_link link;
	int ret;

	memset(&link, 0, sizeof(link));
	ret = rte_eth_link_get_nowait(port, &link);
	if (ret != 0)
		return ret;
	out->megabits = link.link_speed;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	return 0;
}

size_t shim_mbuf_layout(size_t *values, size_t n)
{
	const size_t layout[] = {
		SHIM_MBUF_SIZE,	    SHIM_MBUF_ALIGN,   SHIM_MBUF_BUF_ADDR, SHIM_MBUF_DATA_OFF,
		SHIM_MBUF_REFCNT,   SHIM_MBUF_NB_SEGS, SHIM_MBUF_PORT,	   SHIM_MBUF_OL_FLAGS,
		SHIM_MBUF_PKT_LEN,  SHIM_MBUF_DATA_LEN, SHIM_MBUF_BUF_LEN, SHIM_MBUF_POOL,
		SHIM_MBUF_NEXT,
	};
	const size_t count = sizeof(layout) / sizeof(layout[0]);

	for (size_t i = 0; i < count && i < n; i++)
		values[i] = layout[i];
	return count;
}
