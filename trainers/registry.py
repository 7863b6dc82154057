"""Every method and every evaluation there is, by name. A new one is a line here; nothing here imports torch."""

from trainers.declarations import Evaluation, Method
from trainers.evaluations.annotation.evaluation import EVALUATION as ANNOTATION
from trainers.evaluations.centres.evaluation import EVALUATION as CENTRES
from trainers.evaluations.classification.evaluation import EVALUATION as CLASSIFICATION
from trainers.evaluations.correspondence.evaluation import EVALUATION as CORRESPONDENCE
from trainers.evaluations.detection.evaluation import EVALUATION as DETECTION
from trainers.evaluations.embedding.evaluation import EVALUATION as EMBEDDING
from trainers.evaluations.flow.evaluation import EVALUATION as FLOW
from trainers.evaluations.instances.evaluation import EVALUATION as INSTANCES
from trainers.evaluations.kernels.evaluation import EVALUATION as KERNELS
from trainers.evaluations.landmark_regression.evaluation import EVALUATION as LANDMARK_REGRESSION
from trainers.evaluations.linear.evaluation import EVALUATION as LINEAR
from trainers.evaluations.matching.evaluation import EVALUATION as MATCHING
from trainers.evaluations.parsing.evaluation import EVALUATION as PARSING
from trainers.evaluations.propagation.evaluation import EVALUATION as PROPAGATION
from trainers.evaluations.retrieval.evaluation import EVALUATION as RETRIEVAL
from trainers.evaluations.segmentation.evaluation import EVALUATION as SEGMENTATION
from trainers.evaluations.symmetry.evaluation import EVALUATION as SYMMETRY
from trainers.evaluations.tracking.evaluation import EVALUATION as TRACKING
from trainers.methods.cmp.method import METHOD as CMP
from trainers.methods.grouping.method import METHOD as GROUPING
from trainers.methods.landmarks.method import METHOD as LANDMARKS
from trainers.methods.matching.method import METHOD as DEEP_MATCHING
from trainers.methods.objects.method import METHOD as OBJECTS
from trainers.methods.selflow.method import METHOD as SELFLOW
from trainers.methods.similarity.method import METHOD as SIMILARITY

_METHODS = (
    CMP,
    GROUPING,
    LANDMARKS,
    DEEP_MATCHING,
    OBJECTS,
    SELFLOW,
    SIMILARITY,
)
_EVALUATIONS = (
    PROPAGATION,
    ANNOTATION,
    FLOW,
    CORRESPONDENCE,
    SEGMENTATION,
    PARSING,
    LINEAR,
    CLASSIFICATION,
    DETECTION,
    INSTANCES,
    TRACKING,
    RETRIEVAL,
    EMBEDDING,
    KERNELS,
    LANDMARK_REGRESSION,
    MATCHING,
    CENTRES,
    SYMMETRY,
)
METHODS: dict[str, Method] = {method.name: method for method in _METHODS}
EVALUATIONS: dict[str, Evaluation] = {evaluation.name: evaluation for evaluation in _EVALUATIONS}
