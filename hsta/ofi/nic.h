/* SPDX-License-Identifier: MIT */
/* nic.h - how far a NIC is from this process, in the kernel's measure of NUMA distance. */
#ifndef OFI_NIC_H
#define OFI_NIC_H

#include <rdma/fabric.h>

enum { OFI_NIC_UNKNOWN = 255 }; /* as far as a distance goes */

/* NUMA node of the CPU that runs us, -1 if not known. */
int ofi_nic_here(void);
/* NUMA node of a PCI device below @sys ("/sys"), -1 if not known. */
int ofi_nic_node(const char *sys, const struct fi_pci_attr *pci);
/* Distance between two NUMA nodes; OFI_NIC_UNKNOWN. */
int ofi_nic_distance(const char *sys, int from, int to);
/* "cxi0": the name a person would use; never NULL. */
const char *ofi_nic_name(const struct fi_info *info);
/* The best of a list for a CPU of node @here: link up, then near, then first. */
struct fi_info *ofi_nic_choose(const char *sys, int here, struct fi_info *list);

#endif
