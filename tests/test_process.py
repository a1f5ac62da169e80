"""Tests for :mod:`edgemesh.process`."""

import gc
import resource

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from edgemesh.process import ProcessTuning


class ProcessTuningTests(SynchronousTestCase):
    """Tests for :class:`ProcessTuning`."""

    def test_allDescriptors(self):
        """The node may use as many descriptors as the system lets it."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        ProcessTuning(MemoryReactorClock()).startService()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(soft, hard)

    def test_collectorOnlyOnceRunning(self):
        """The collector is calmed when the reactor runs, after everything is loaded."""
        thresholds = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *thresholds)
        self.addCleanup(gc.unfreeze)
        reactor = MemoryReactorClock()
        ProcessTuning(reactor).startService()
        self.assertEqual(gc.get_threshold(), thresholds)
        for function, args, kwargs in reactor.whenRunningHooks:
            function(*args, **kwargs)
        self.assertGreater(gc.get_threshold()[0], thresholds[0])
        self.assertGreater(gc.get_freeze_count(), 0)
