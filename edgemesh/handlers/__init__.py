"""The handler chain: router, loadbalance, qps, bizkeeper; read chain.py first."""
