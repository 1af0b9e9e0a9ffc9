"""The one service object.

``Lab`` is an open session with the tools as its methods; each tool is written once, in the module
named after its subject. Everything a face offers is one of these methods.
"""

from __future__ import annotations

from astermind_lab.lab import (
    alerting,
    beginning,
    datasets,
    drift_series,
    drifted_texts,
    drifting,
    embeddings,
    explaining,
    exploring,
    files,
    listing,
    measuring,
    predicting,
    recording,
    retaining,
    slicing,
    suggesting,
    training,
    tuning,
    updating,
    versions,
)
from astermind_lab.lab.session import Session

__all__ = ["Lab"]


class Lab(Session):
    """Trains, stores, predicts and measures.

    Open one with ``Lab.open()`` and close it, or use it in a ``with`` statement. Methods may be
    called from many threads at once.
    """

    # Training and predicting
    train_classifier = training.train_classifier
    predict = predicting.predict
    predict_many = predicting.predict_many
    generate_embedding = predicting.generate_embedding
    explain_prediction = explaining.explain_prediction
    list_models = training.list_models
    delete_model = training.delete_model
    save_model = training.save_model

    # Interactive objects, not tools
    teach = beginning.teach
    tune = tuning.tune
    explore = exploring.explore

    # Exact changes
    add_examples = updating.add_examples
    forget_examples = updating.forget_examples
    relabel_example = updating.relabel_example
    merge_models = updating.merge_models

    # What to label next, and again
    suggest_labels = suggesting.suggest_labels
    find_label_errors = suggesting.find_label_errors

    # The registry
    store_model_persistent = versions.store_model_persistent
    load_model_persistent = versions.load_model_persistent
    list_model_versions = versions.list_model_versions
    set_alias = versions.set_alias
    roll_back_alias = versions.roll_back_alias
    list_aliases = versions.list_aliases
    delete_alias = versions.delete_alias
    find_by_tag = versions.find_by_tag
    delete_version = versions.delete_version
    restore_version = versions.restore_version
    export_model = files.export_model
    import_model = files.import_model

    # Data sets and embeddings
    store_training_dataset = datasets.store_training_dataset
    load_training_dataset = datasets.load_training_dataset
    list_training_datasets = datasets.list_training_datasets
    delete_training_dataset = datasets.delete_training_dataset
    store_embeddings = embeddings.store_embeddings
    search_similar = embeddings.search_similar
    list_collections = embeddings.list_collections

    # The prediction log
    log_prediction = recording.log_prediction
    record_feedback = recording.record_feedback
    delete_predictions = recording.delete_predictions
    list_predictions = listing.list_predictions
    get_model_metrics = measuring.get_model_metrics
    get_metric_series = measuring.get_metric_series
    get_confusion_matrix = measuring.get_confusion_matrix
    get_metric_slices = slicing.get_metric_slices
    get_calibration = slicing.get_calibration
    detect_drift = drifting.detect_drift
    get_drift_series = drift_series.get_drift_series
    find_drifted_texts = drifted_texts.find_drifted_texts
    estimate_accuracy = drifting.estimate_accuracy
    list_monitored_models = retaining.list_monitored_models

    # Monitors and retention
    create_monitor = alerting.create_monitor
    list_monitors = alerting.list_monitors
    run_monitor = alerting.run_monitor
    delete_monitor = alerting.delete_monitor
    list_alerts = alerting.list_alerts
    acknowledge_alert = alerting.acknowledge_alert
    mute_alert = alerting.mute_alert
    resolve_alert = alerting.resolve_alert
    apply_retention = retaining.apply_retention
