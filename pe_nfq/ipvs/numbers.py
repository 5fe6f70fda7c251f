"""Commands and attributes of the generic netlink family IPVS (include/uapi/linux/ip_vs.h)."""

from typing import Final

FAMILY: Final = "IPVS"

# IPVS_CMD_*
NEW_SERVICE: Final = 1
SET_SERVICE: Final = 2
DEL_SERVICE: Final = 3
GET_SERVICE: Final = 4
NEW_DEST: Final = 5
SET_DEST: Final = 6
DEL_DEST: Final = 7
GET_DEST: Final = 8
SET_CONFIG: Final = 12
GET_CONFIG: Final = 13
GET_INFO: Final = 15

# IPVS_CMD_ATTR_*
CMD_SERVICE: Final = 1
CMD_DEST: Final = 2
#: IPVS_CMD_ATTR_TIMEOUT_TCP, _TCP_FIN, _UDP.
TIMEOUTS: Final = (4, 5, 6)

# IPVS_SVC_ATTR_*
SVC_AF: Final = 1
SVC_PROTOCOL: Final = 2
SVC_ADDR: Final = 3
SVC_PORT: Final = 4
SVC_FWMARK: Final = 5
SVC_SCHED_NAME: Final = 6
SVC_FLAGS: Final = 7
SVC_TIMEOUT: Final = 8
SVC_NETMASK: Final = 9
SVC_STATS: Final = 10
SVC_PE_NAME: Final = 11
SVC_STATS64: Final = 12

# IPVS_DEST_ATTR_*
DEST_ADDR: Final = 1
DEST_PORT: Final = 2
DEST_FWD_METHOD: Final = 3
DEST_WEIGHT: Final = 4
DEST_U_THRESH: Final = 5
DEST_L_THRESH: Final = 6
DEST_ACTIVE_CONNS: Final = 7
DEST_INACT_CONNS: Final = 8
DEST_PERSIST_CONNS: Final = 9
DEST_STATS: Final = 10
DEST_ADDR_FAMILY: Final = 11
DEST_STATS64: Final = 12
DEST_TUN_TYPE: Final = 13
DEST_TUN_PORT: Final = 14
DEST_TUN_FLAGS: Final = 15

# IPVS_INFO_ATTR_*
INFO_VERSION: Final = 1
INFO_TABLE_SIZE: Final = 2
