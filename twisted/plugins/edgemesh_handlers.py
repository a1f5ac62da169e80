"""The built-in handlers, for Twisted's plugin system; configuration orders them."""

from edgemesh.handlers.bizkeeper import BizKeeperHandler
from edgemesh.handlers.loadbalance import LoadBalanceHandler
from edgemesh.handlers.qps import QPSHandler
from edgemesh.handlers.router import RouterHandler

router = RouterHandler()
loadBalance = LoadBalanceHandler()
qpsController = QPSHandler()
bizKeeper = BizKeeperHandler()
